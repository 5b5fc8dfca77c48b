"""Our `api.py` over uvicorn's own HTTP protocol, which writes the head and the body of an answer apart."""

import api
from benchmarks.contenders.serving import serve

if __name__ == "__main__":
    serve(api.create_app(api.Settings()), plain=False)
