"""The same units for the machine's own systemd: they start with it, without linger, and run as the user."""

from __future__ import annotations

from orchestrator.core.systemd_units import Systemd

TARGET = Systemd("systemd-system")
