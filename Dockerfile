# The gateway of `stack up --target compose`: `stack serve` and nothing else; the engines run in images of their own.
# `stack` builds it as stack-gateway:VERSION when it is missing or older than the package (edge/managers/compose_image.py,
# which gives this file a context of the same layout). By hand: docker build -t stack-gateway:0.1.0 .
ARG BASE=python:3.13-slim
FROM ${BASE}

COPY requirements/runtime.txt /opt/stack/
RUN ["python3", "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--root-user-action=ignore", "--require-hashes", "-r", "/opt/stack/runtime.txt"]
COPY templates /opt/stack/templates
COPY orchestrator /opt/stack/orchestrator
RUN ["python3", "-m", "compileall", "-q", "/opt/stack/orchestrator"]

ENV PYTHONPATH=/opt/stack PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT ["python3", "-m", "orchestrator.cli.main"]
