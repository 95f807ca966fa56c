"""What a fake engine says beside chat: vectors, scores, transcripts, sound. Pure.

`broken` names the capability that answers wrongly: with the right status and shape, but without what was asked for.
"""

import email
import email.policy
import hashlib
import io
import wave

from engine_replies import embeddings

CAPABILITIES = ("vision", "embed", "rerank", "transcribe", "speak")


def rerank(body, broken):
    """Scores by shared words, best first."""
    asked = set(body["query"].lower().split())
    scored = [(len(asked & set(str(d).lower().split())) / len(asked), i) for i, d in enumerate(body["documents"])]
    results = [{"index": i, "relevance_score": score} for score, i in sorted(scored, reverse=True)]
    return {"model": body.get("model"), "results": results[:-1] if broken else results, "usage": {"prompt_tokens": 1}}


def vectors(body, dimensions, broken):
    answer = embeddings(body, body.get("dimensions") or dimensions)
    if broken:
        answer["data"][-1]["embedding"].pop()
    return answer


def fields(content_type, raw):
    """A form's fields by name; files as bytes."""
    head = f"MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + raw, policy=email.policy.HTTP)
    found = {}
    for part in message.iter_parts():
        name, data = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        found[name] = data if part.get_filename() else data.decode()
    return found


def transcript(form, broken):
    """Says what came: the seconds of the recording, and its hash, so that a test can tell that no byte was lost."""
    if broken:
        return {"task": "transcribe"}
    audio = form["file"]
    said = hashlib.sha256(audio).hexdigest()
    if audio.startswith(b"RIFF"):
        with wave.open(io.BytesIO(audio)) as sound:
            said = f"{sound.getnframes() / sound.getframerate():g} s"
    rest = {name: value for name, value in form.items() if name != "file"}
    return {"text": said, "fields": rest}


def speech(body, voice, broken):
    """(status, kind, bytes). voice: the only one it has, "" = any or none."""
    if voice and body.get("voice") != voice:
        return 400, "application/json", b'{"error":{"message":"no such voice"}}'
    if broken:
        return 200, "application/json", b"{}"
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"\0\1" * len(body["input"]) * 100)
    return 200, "audio/wav", file.getvalue()


def shown(body):
    """Images in a chat request."""
    parts = [p for m in body.get("messages", []) if isinstance(m.get("content"), list) for p in m["content"]]
    return [part for part in parts if part.get("type") == "image_url"]


def plain(body):
    """The same request with its images taken out: what the text model behind reads."""
    messages = []
    for message in body.get("messages", []):
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        messages.append({**message, "content": content})
    return {**body, "messages": messages}
