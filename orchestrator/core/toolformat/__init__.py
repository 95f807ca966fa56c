"""Which wire format a chat template writes, told from a known call that it rendered (edge/modelfiles/chat_template.py).

Text in, format out: known_call.py is what is rendered, locate.py cuts the call out, formats.py names its format,
seen.py puts that together, readers.py says who reads it, mismatch.py holds it against what stack.yaml and the family
table would do.
"""
