import requests
from upload import PATIENCE, headers, is_whole, pieces, tell, url, whole


def attempt():
    response = requests.post(url, data=whole() if is_whole else pieces(), headers=headers, timeout=PATIENCE)
    return response.status_code, response.content


tell(attempt)
