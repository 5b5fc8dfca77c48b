"""An authorization server whose access tokens are JWT, as those of Keycloak, Auth0 and Entra."""

import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from mcp.shared.auth import OAuthToken
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.sign_in_service import METADATA, AuthorizationServer


class Key:
    """A key of an issuer: what signs, and what it publishes."""

    def __init__(self, name: str | None) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.head = {"kid": name} if name else {}
        public = jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        self.public: dict[str, Any] = {**public, **self.head, "use": "sig"}


@dataclass
class JwtIssuer(AuthorizationServer):
    """Signs with its newest key, and publishes all of them."""

    keys: list[Key] = field(default_factory=lambda: [Key("first")])
    audience: str = ""  # of what it issues, where a client names none
    grants: str = "shop:read shop:buy shop:own"  # to a client that registers
    jwks_uri: str = ""

    def token(self, key: Key | None = None, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token as the server would issue it, with other claims as a test wants; None leaves one out."""
        usual = {
            "iss": self.issuer,
            "aud": self.audience,
            "exp": time.time() + 60,
            "sub": "mei",
            "client_id": "page",
            "scope": "shop:read shop:buy",
        }
        said = {name: value for name, value in (usual | claims).items() if value is not None}
        signing = key or self.keys[-1]
        return jwt.encode(said, signing.private, "ES256", signing.head | (head or {}))

    def issued(self, client_id: str, scopes: list[str], resource: str | None = None) -> OAuthToken:
        plain = super().issued(client_id, scopes, resource)
        audience = resource or self.audience
        said = self.token(client_id=client_id, scope=" ".join(scopes), aud=audience)
        return plain.model_copy(update={"access_token": said})

    async def register_client(self, client_info: Any) -> None:
        await super().register_client(client_info)
        self.clients[client_info.client_id] = client_info.model_copy(update={"scope": self.grants})

    def app(self, issuer: str) -> ASGIApp:
        inner = super().app(issuer)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope.get("path")
            if path == "/keys":
                self.requests.append("/keys")
                published = [key.public for key in self.keys]
                said = JSONResponse({"keys": published}, 503 if self.is_down else 200)
                return await said(scope, receive, send)
            if path == METADATA and not self.is_down:
                self.requests.append(path)
                base = str(Request(scope).base_url).rstrip("/")
                return await JSONResponse(self._metadata(base))(scope, receive, send)
            return await inner(scope, receive, send)

        return answer

    def _metadata(self, base: str) -> dict[str, Any]:
        return {
            "issuer": self.metadata_issuer or base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "registration_endpoint": f"{base}/register",
            "jwks_uri": self.jwks_uri or f"{base}/keys",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
        }
