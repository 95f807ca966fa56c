"""The probe against real servers: requests, times, and the verdicts that are kept."""
