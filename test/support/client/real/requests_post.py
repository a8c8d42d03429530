import requests
from upload import PATIENCE, body_of, headers, tell


def attempt(upload, url):
    response = requests.post(url, data=body_of(upload), headers=headers, timeout=PATIENCE)
    return response.status_code, response.content


tell(attempt)
