"""Stack -> YAML text that reads back as an equal Stack."""

from __future__ import annotations

from typing import Any

import yaml

from orchestrator.core.spec import Stack
from orchestrator.edge.stackfile.yaml_nodes import resolve


class _Dumper(yaml.SafeDumper):
    """Quotes every text that unquoted would be something else, by our own resolver beside PyYAML's."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = isinstance(resolve(text), str) and text != "<<" and text.replace("\n", "").isprintable()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)


def dump(stack: Stack) -> str:
    """What differs from the defaults, in the order of the shape."""
    data = stack.model_dump(mode="json", exclude_defaults=True)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Brief(_Dumper):
    """What is innermost on one line."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node: yaml.SequenceNode = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = all(isinstance(item, yaml.ScalarNode) for item in node.value)
        return node

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node: yaml.MappingNode = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = all(isinstance(value, yaml.ScalarNode) for _, value in node.value)
        return node


def fragment(data: Any) -> str:
    """A piece of stack.yaml, for people to copy."""
    return yaml.dump(data, Dumper=_Brief, sort_keys=False, allow_unicode=True, width=120)
