"""
Upload the recording from another place, or as mp3.

Settings, each works alone: mounts says where a directory of the telephone system is on the connector's
machine; mp3 = true names the .mp3 beside the .wav. Another program must have made it: a hook sees no files.
"""


def process_record_file_path(request, settings):
    path = request["path"]
    for old, new in settings.get("mounts", {}).items():
        if path.startswith(f"{old}/"):
            path = new + path.removeprefix(old)
            break
    if settings.get("mp3") and path.endswith(".wav"):
        path = path.removesuffix(".wav") + ".mp3"
    return {"path": path}
