"""From a stack, a host and weights to a plan, step by step."""
