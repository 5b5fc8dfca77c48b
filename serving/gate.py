"""What stands before every service's routes, by its settings: who is let in, and what proxies say."""

from collections.abc import Callable, Iterable, Mapping

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from serving.access import Access, Allowed, BearerToken, Password, Refusal
from serving.forwarding import Forwarding, networks
from serving.metrics import METRICS_PATH, Counted, metrics
from serving.rate_limit import RateLimit
from serving.settings import ServiceSettings
from serving.tracing import Traced


def install(
    app: Starlette,
    settings: ServiceSettings,
    refuse: Callable[[Refusal], Response],
    secret: BearerToken | Password | None,
    *,
    any_host: bool = False,
    own: Iterable[str] = (),
    guarded: str = "/",
    only_direct: str = "",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Put the gate outside of all other middleware.

    `own` are names of the service beside the listed ones. With `any_host` every Host is let in while the
    settings list none. The other parameters are those of `Access`.
    """
    app.router.routes.append(Route(METRICS_PATH, metrics, include_in_schema=False))
    app.add_middleware(
        Access,
        allowed=Allowed([*settings.hosts.split(","), *own], origins=settings.origins.split(",")),
        refuse=refuse,
        secret=secret,
        admits=settings.admits,
        any_host=any_host and not settings.hosts,
        guarded=(guarded, METRICS_PATH),
        only_direct=only_direct,
        headers=headers or {},
    )
    if settings.rate_limit:
        app.add_middleware(RateLimit, per_minute=settings.rate_limit, refuse=refuse)
    app.add_middleware(Counted)
    app.add_middleware(Traced)
    if settings.root_path or settings.trusted_proxies:
        trusted = networks(settings.trusted_proxies)
        app.add_middleware(Forwarding, root_path=settings.root_path, trusted=trusted)
