"""What a client is to send, as upload.js has it: <url> <bytes> <length|chunked> <stall, milliseconds> <tries>."""
import json
import sys
import time

url, size, framing, stall, tries = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]) / 1000, int(sys.argv[5])
chunked = framing == 'chunked'
is_whole = not chunked and stall == 0
headers = {'Content-Type': 'application/x-stream'}
PATIENCE = 15
PIECE = 65536


def whole():
    return b'x' * size


def split(length):
    for at in range(0, length, PIECE):
        yield b'x' * min(PIECE, length - at)


def pieces():
    yield from split(size // 2)
    time.sleep(stall)
    yield from split(size - size // 2)


def tell(attempt):
    for _ in range(tries):
        try:
            status, body = attempt()
            line = {'statusCode': status, 'body': body.decode()}
        except Exception as error:
            line = {'error': repr(error)}
        print(json.dumps(line), flush=True)
