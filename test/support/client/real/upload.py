"""What a client is to do, and to tell, as upload.js has it: <origin> <tries> <uploads, as JSON>."""
import json
import sys
import time

origin, tries, uploads = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
headers = {'Content-Type': 'application/x-stream'}
PATIENCE = 10
PIECE = 65536


def is_whole(upload):
    return not upload['chunked'] and upload['stall'] == 0


def whole(upload):
    return b'x' * upload['bytes']


def split(length):
    for at in range(0, length, PIECE):
        yield b'x' * min(PIECE, length - at)


def pieces(upload):
    half = upload['bytes'] // 2
    yield from split(half)
    time.sleep(upload['stall'] / 1000)
    yield from split(upload['bytes'] - half)


def body_of(upload):
    return whole(upload) if is_whole(upload) else pieces(upload)


def tell(attempt):
    for upload in uploads:
        for _ in range(tries):
            try:
                status, body = attempt(upload, origin + upload['path'])
                line = {'statusCode': status, 'body': body.decode()}
            except Exception as error:
                line = {'error': repr(error)}
            print(json.dumps(line), flush=True)
