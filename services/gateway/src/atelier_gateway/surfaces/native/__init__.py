"""Our own surface: any kind of generation, any credential, RFC 9457 errors."""

from atelier_gateway.surfaces.native.routes import PICTURE_PATHS, direct_routes, router

__all__ = ["PICTURE_PATHS", "direct_routes", "router"]
