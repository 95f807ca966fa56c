"""The keys of a job and their types, as launchd.plist(5) of macOS 13 and later lists them, as a JSON schema.

A DTD cannot say that a key is misspelt or that a number is a text; launchd says nothing at all and ignores both. Keys
that the page calls not implemented, or asks to remove, are left out: using one is a mistake too.
"""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
FLAG: dict[str, Any] = {"type": "boolean"}
NUMBER: dict[str, Any] = {"type": "integer"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}


def of(values: dict[str, Any]) -> dict[str, Any]:
    """A dictionary of these values, whatever its keys."""
    return {"type": "object", "additionalProperties": values}


def only(**keys: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": keys}


def either(*kinds: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": list(kinds)}


LIMITS = only(
    Core=NUMBER,
    CPU=NUMBER,
    Data=NUMBER,
    FileSize=NUMBER,
    MemoryLock=NUMBER,
    NumberOfFiles=NUMBER,
    NumberOfProcesses=NUMBER,
    ResidentSetSize=NUMBER,
    Stack=NUMBER,
)
SOCKET = only(
    SockType={"enum": ["stream", "dgram", "seqpacket"]},
    SockPassive=FLAG,
    SockNodeName=TEXT,
    SockServiceName=either(TEXT, NUMBER),
    SockFamily={"enum": ["IPv4", "IPv6", "IPv4v6", "Unix"]},
    SockProtocol={"enum": ["TCP", "UDP"]},
    SockPathName=TEXT,
    SecureSocketWithKey=TEXT,
    SockPathOwner=NUMBER,
    SockPathGroup=NUMBER,
    SockPathMode=NUMBER,
    Bonjour=either(FLAG, TEXT, TEXTS),
    MulticastGroup=TEXT,
)
CALENDAR = only(Minute=NUMBER, Hour=NUMBER, Day=NUMBER, Weekday=NUMBER, Month=NUMBER)
KEYS = only(
    Label=TEXT | {"minLength": 1},
    Disabled=FLAG,
    UserName=TEXT,
    GroupName=TEXT,
    inetdCompatibility=only(Wait=FLAG),
    LimitLoadToSessionType=either(TEXT, TEXTS),
    LimitLoadToHardware=of(TEXTS),
    LimitLoadFromHardware=of(TEXTS),
    Program=TEXT | {"pattern": "^/"},
    BundleProgram=TEXT,
    ProgramArguments=TEXTS | {"minItems": 1},
    EnableGlobbing=FLAG,
    EnableTransactions=FLAG,
    EnablePressuredExit=FLAG,
    KeepAlive=either(FLAG, only(SuccessfulExit=FLAG, Crashed=FLAG, PathState=of(FLAG), OtherJobEnabled=of(FLAG))),
    RunAtLoad=FLAG,
    RootDirectory=TEXT,
    WorkingDirectory=TEXT | {"pattern": "^/"},
    EnvironmentVariables=of(TEXT),
    Umask=either(NUMBER, TEXT),
    ExitTimeOut=NUMBER | {"minimum": 1},
    ThrottleInterval=NUMBER | {"minimum": 1},
    InitGroups=FLAG,
    WatchPaths=TEXTS,
    QueueDirectories=TEXTS,
    StartOnMount=FLAG,
    StartInterval=NUMBER,
    StartCalendarInterval=either(CALENDAR, {"type": "array", "items": CALENDAR}),
    StandardInPath=TEXT | {"pattern": "^/"},
    StandardOutPath=TEXT | {"pattern": "^/"},
    StandardErrorPath=TEXT | {"pattern": "^/"},
    Debug=FLAG,
    WaitForDebugger=FLAG,
    SoftResourceLimits=LIMITS,
    HardResourceLimits=LIMITS,
    Nice=NUMBER,
    ProcessType={"enum": ["Background", "Standard", "Adaptive", "Interactive"]},
    AbandonProcessGroup=FLAG,
    LowPriorityIO=FLAG,
    LowPriorityBackgroundIO=FLAG,
    MaterializeDatalessFiles=FLAG,
    LaunchOnlyOnce=FLAG,
    MachServices=of(either(FLAG, only(ResetAtClose=FLAG, HideUntilCheckIn=FLAG))),
    Sockets=of(either(SOCKET, {"type": "array", "items": SOCKET})),
    LaunchEvents=of(of({"type": "object"})),
    SessionCreate=FLAG,
    LegacyTimers=FLAG,
)
SCHEMA: dict[str, Any] = KEYS | {
    "required": ["Label"],
    "anyOf": [{"required": ["Program"]}, {"required": ["ProgramArguments"]}, {"required": ["BundleProgram"]}],
}
