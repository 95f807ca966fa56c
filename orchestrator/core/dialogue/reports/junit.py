"""JUnit XML of a verdict, for the machines that build: red exactly when `stack probe` exits 6.

A test case per scenario without a failure and one per finding that fails; what degrades or is a note goes to
system-out. Attributes and elements are those of the schema of Jenkins' xUnit plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from orchestrator.core.dialogue.findings import Finding, Verdict
from orchestrator.core.dialogue.reports.numbers import numbers
from orchestrator.core.dialogue.reports.safe import cleaned, plain, texts

MOST = 2000
"""Characters of one piece of evidence."""


def junit(verdicts: Sequence[Verdict], scenarios: Sequence[str] = (), *, cut_short: str = "", words: str = "") -> str:
    """verdicts: one, or both of an A/B; scenarios: those that were asked, in order (the findings' own otherwise);
    words: what the comparison shows."""
    root = Element("testsuites", name="stack probe")
    for verdict in map(cleaned, verdicts):
        _suite(root, verdict, [plain(one) for one in scenarios], plain(cut_short), plain(words))
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    root.set("time", f"{sum(one.seconds for one in verdicts):.3f}")
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(root: Element, verdict: Verdict, scenarios: Sequence[str], cut_short: str, words: str) -> None:
    suite = SubElement(root, "testsuite", name=f"stack probe {verdict.model}")
    told = SubElement(suite, "properties")
    facts = {"verdict": verdict.verdict, "tier": verdict.tier, "bound": verdict.bound, "comparison": words}
    lines = numbers(verdict).lines
    for name, value in [*facts.items(), *(("statistics", line) for line in lines)]:
        if value:
            SubElement(told, "property", name=name, value=value)
    where = dict.fromkeys([*scenarios, *(one.scenario for one in verdict.findings)]) or {"tool path": None}
    for scenario in where:
        _scenario(suite, verdict, scenario)
    for name in verdict.skipped:
        SubElement(_case(suite, verdict, name), "skipped", message="left out")
    if cut_short:
        SubElement(_case(suite, verdict, "the whole tier"), "error", type="cut_short", message=cut_short)
    counts = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(suite.findall("testcase"))))
    for count, element in counts.items():
        suite.set(count, str(len(suite.findall(f"testcase/{element}"))))
    suite.set("time", f"{verdict.seconds:.3f}")


def _scenario(suite: Element, verdict: Verdict, scenario: str) -> None:
    found = [one for one in verdict.findings if one.scenario == scenario]
    fails = [one for one in found if one.severity == "F"]
    for one in fails:
        case = _case(suite, verdict, f"{scenario}: {one.code}")
        failure = SubElement(case, "failure", type=one.code, message=f"{one.text} ({one.culprit})")
        failure.text = _told(one)
    rest = [one for one in found if one.severity != "F"]
    if not fails or rest:
        case = _case(suite, verdict, scenario)
        if rest:
            SubElement(case, "system-out").text = "\n\n".join(f"{one.code}: {one.text}\n{_told(one)}" for one in rest)


def _case(suite: Element, verdict: Verdict, name: str) -> Element:
    return SubElement(suite, "testcase", classname=f"probe.{verdict.tier}", name=name)


def _told(one: Finding) -> str:
    turn = f"turn {one.turn}, " if one.turn else ""
    head = f"{turn}{'streamed' if one.streamed else 'not streamed'}; culprit: {one.culprit}; mend: {one.mend}"
    shown = zip(one.evidence, texts(list(one.evidence.values()), MOST), strict=True)
    return "\n".join([head, *(f"{name}: {text}" for name, text in shown)])
