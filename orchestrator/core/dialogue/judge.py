"""One request and its reply -> what was seen and every finding that this reply alone proves."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from orchestrator.core.dialogue import markers, schema
from orchestrator.core.dialogue.arguments import Argued, argued, loosened, show, tally
from orchestrator.core.dialogue.ask import Ask, Exchange, dumps
from orchestrator.core.dialogue.codes import LOST, PARSER_MEND, TABLE, TRANSPORT, Code
from orchestrator.core.dialogue.decode import decode, decode_raw, excerpt
from orchestrator.core.dialogue.findings import Culprit, Finding, Severity
from orchestrator.core.dialogue.reply import Reply, Seen
from orchestrator.core.dialogue.setup import Setup

UNEXPLAINED = 4
"""Completion tokens that an empty answer may have: an end token, a newline, empty thinking tags."""


def judge(setup: Setup, ask: Ask, reply: Reply) -> Exchange:
    raw = ask.path != "/chat/completions"
    seen = decode_raw(reply, setup.wire) if raw else decode(reply, ask.streamed)
    court = Court(setup, ask, reply, seen)
    if not ask.expect.form:
        court.transport()
    elif raw:
        court.argued = [argued(call, None) for call in seen.calls]
        if court.transport():
            court.expected()
    elif court.transport():
        court.form()
        court.calls()
        court.finish()
        court.markup()
        court.expected()
    return Exchange(ask, reply, seen, tuple(court.findings), court.right)


def finding(
    ask: Ask,
    reply: Reply,
    code: Code,
    text: str,
    *,
    culprit: Culprit | None = None,
    severity: Severity | None = None,
    mend: str = "",
) -> Finding:
    """A finding with the table's culprit, severity and mend where none is given."""
    row = TABLE[code]
    request = dumps(ask.payload)
    shown = request if len(request) <= 3000 else f"{request[:1000]} ... {request[-2000:]}"
    return Finding(
        code=code.value,
        culprit=culprit or row.culprit,
        severity=severity or row.severity,
        scenario=ask.scenario,
        text=(f"{ask.step} step: {text}" if ask.step else text)[:600],
        mend=mend or row.mend,
        turn=ask.turn,
        streamed=ask.streamed,
        evidence={"request": shown, "status": reply.status, "reply": excerpt(reply.raw, 3000)},
    )


class Court:
    """The assertions on one reply, in turn. `right`: what the caller expects has come, as far as judged."""

    def __init__(self, setup: Setup, ask: Ask, reply: Reply, seen: Seen) -> None:
        self.setup, self.ask, self.reply, self.seen = setup, ask, reply, seen
        self.findings: list[Finding] = []
        self.right = True
        self.argued: list[Argued] = []

    def find(self, code: Code, text: str, **more: Any) -> None:
        if "mend" not in more and TABLE[code].mend == PARSER_MEND and self.setup.wire:
            more["mend"] = self._parsers("", self.setup.wire)
        self.findings.append(finding(self.ask, self.reply, code, text, **more))

    def transport(self) -> bool:
        """Whether there is anything to judge."""
        broken = [d for d in self.seen.defects if Code(d.code) in TRANSPORT]
        for defect in broken:
            self.find(Code(defect.code), defect.text)
        self.right = all(d.code in (Code.WRONG_CONTENT_TYPE, Code.NO_DONE) for d in broken)
        return self.right

    def form(self) -> None:
        for defect in self.seen.defects:
            if Code(defect.code) in TRANSPORT:
                continue
            self.find(Code(defect.code), defect.text, severity="D" if defect.code == Code.ID_REJECTED else None)
        if "<|tool_calls_section_begin|>" in self.setup.wire:
            for call in self.seen.calls:
                if not re.fullmatch(r"functions\.[\w.-]+:\d+", call.id):
                    self.find(Code.ID_FORMAT, f"the id {call.id!r} is not functions.NAME:idx")

    def calls(self) -> None:
        """Names and arguments, each call by itself."""
        tools = self.ask.tools
        for place, call in enumerate(self.seen.calls):
            if self.seen.finish == "length" and place == len(self.seen.calls) - 1:
                break
            if not call.name:
                self.find(Code.NAME_CORRUPTED, "a call without a name")
                self.right = False
                continue
            one = argued(call, tools.get(call.name))
            self.argued.append(one)
            if call.name not in tools:
                self._unknown_name(call.name)
            for code, text in one.defects:
                self.find(code, text)
            if call.name in tools and not one.defects and (wrong := schema.misfit(one.arguments, tools[call.name])):
                self.find(Code.SCHEMA_IGNORED, f"{call.name}: {wrong}")

    def _unknown_name(self, name: str) -> None:
        if markers.corrupted(name, self.ask.tools):
            self.find(Code.NAME_CORRUPTED, f"the called name is {name!r}")
        else:
            self.find(Code.WRONG_CALL, f"a tool named {name!r} was called: no tool is called that")

    def _parsers(self, marker: str, wire: str) -> str:
        """The mend that names the right parser, "" where it is not known."""
        backend, told = self.setup.backend, self.setup.parser
        right = markers.parser(backend, marker, wire)
        if told and right and told != right:
            return f"parsers: {{tool: {right}}} reads {wire or marker} on {backend}; it was {told}"
        who = markers.parsers(marker, wire)
        return f"name the parser that reads {wire or marker}: {who}" if who else ""

    def finish(self) -> None:
        finish, accepted = self.seen.finish, self.ask.expect.finish
        if finish is None or finish in accepted or finish == "length":
            return
        if self.seen.calls and finish != "tool_calls":
            self.find(Code.STOP_WITH_CALLS, f"finish_reason is {finish!r} beside {len(self.seen.calls)} calls")
        elif not self.seen.calls and finish == "tool_calls":
            self.find(Code.FINISH_WITHOUT_CALLS, "finish_reason is tool_calls and no call came")
            self.right = False

    def markup(self) -> None:
        if not self.ask.expect.markers or self.seen.finish == "length":
            return
        if marker := markers.markup(self.seen.content, self.ask.tools):
            own = markers.own(marker, self.setup.wire)
            mend = self._parsers(marker, self.setup.wire if own else "")
            culprit = Culprit.PARSER if own else Culprit.MODEL_OR_QUANTIZATION
            text = f"content holds the raw call ({marker}): {self.seen.content[:120]!r}"
            self.find(Code.MARKUP_IN_CONTENT, text, culprit=culprit, mend=mend)
        elif not self.seen.calls and self.ask.expect.calls and markers.markup(self.seen.reasoning, self.ask.tools):
            self.find(Code.CALL_IN_REASONING, f"the call is in the reasoning: {self.seen.reasoning[-160:]!r}")

    def expected(self) -> None:
        """Compares with what should have come; explains what did not."""
        wanted, expect = self.ask.expect.calls, self.ask.expect
        if expect.text is not None and not self.seen.calls and self.seen.content.strip() != expect.text:
            self.right = False
            self._silent()
        if wanted is None:
            return
        calls = loosened(self.argued, wanted) if expect.loose else self.argued
        got, want = tally((one.name, one.arguments) for one in calls), tally(wanted)
        if got == want:
            self._beside()
            return
        self.right = False
        told = {f.code for f in self.findings if f.code in LOST or f.code == Code.EMPTY_ARGS_LOST}
        if not wanted:
            self.find(Code.NEEDLESS_CALL, f"no call was needed, {show(self.argued)} came")
        elif self.seen.finish == "length":
            limit, writer = self.ask.body["max_tokens"], Culprit.MODEL_OR_QUANTIZATION
            self.find(Code.NO_CALL, f"no whole call within max_tokens ({limit})", culprit=writer)
        elif not self.seen.calls:
            if not told and not self._silent():
                self.find(Code.NO_CALL, f"no call came, but {self.seen.content[:160]!r}", culprit=self._writer())
        elif len(got) < len(want) and all(call in want for call in got):
            self.find(Code.PARALLEL_LOST, f"{len(got)} of {len(want)} calls came: {show(self.argued)}")
        elif not told & {Code.NAME_CORRUPTED, Code.WRONG_CALL, Code.ARGUMENTS_INVALID, Code.EMPTY_ARGS_LOST}:
            self.find(Code.WRONG_CALL, f"expected {show(wanted)}, got {show(self.argued)}")

    def _beside(self) -> None:
        """All calls came: markup in the text beside them spoils the text only."""
        if self.argued:
            self.findings = [replace(f, severity="D") if f.code == Code.MARKUP_IN_CONTENT else f for f in self.findings]

    def _writer(self) -> Culprit:
        """Words that we can read are the model's own; after mere thoughts something may have been lost."""
        return Culprit.MODEL_OR_QUANTIZATION if self.seen.content.strip() else Culprit.UNKNOWN

    def _silent(self) -> bool:
        """Tokens were written and nothing of them is visible."""
        seen, count = self.seen, self.seen.completion_tokens
        if seen.content.strip() or seen.calls or seen.finish == "length" or count is None:
            return False
        # in no tokenizer is a character of reasoning more than about one token
        if count <= UNEXPLAINED + len(seen.reasoning):
            return False
        self.find(Code.SILENT_DROP, f"{count} tokens were written, nothing of them came")
        return True
