"""Our `web.py` with the scripted model in place of a provider's."""

import web
from benchmarks.contenders.serving import serve
from benchmarks.contenders.three_calls import ThreeCalls

if __name__ == "__main__":
    serve(web.create_app(web.Settings(), ThreeCalls()), plain=False)
