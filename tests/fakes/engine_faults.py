"""The fake engine's faults of the tool path, by the code that the probe must name."""

import engine_faults_model
import engine_faults_parser
import engine_faults_server
from engine_fault import FAULTS, NONE

__all__ = ["FAULTS", "NONE", "engine_faults_model", "engine_faults_parser", "engine_faults_server"]
