"""
Upload the recording as mp3, or from another place.

Settings, each works alone: mp3 = true has the recording converted, once; with bitrate it is something else than 32
kbit/s. mounts says where a directory of the telephone system is on the connector's machine. Where a recording cannot
be converted the original goes out, and the run says why.
"""


def process_record_file_path(request, settings, records):
    path = request["path"]
    if settings.get("mp3"):
        try:
            path = records.convert(path, bitrate=settings.get("bitrate"))
        except Exception as error:
            print(f"The original goes out. {error}")
    for old, new in settings.get("mounts", {}).items():
        if path.startswith(f"{old}/"):
            path = new + path.removeprefix(old)
            break
    return {"path": path}
