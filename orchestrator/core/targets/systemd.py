"""Units of the user's own systemd: they start with the login, or with the machine where the user lingers."""

from __future__ import annotations

from orchestrator.core.systemd_units import Systemd

TARGET = Systemd("systemd")
