"""Network cameras by their address, read by this server instead of a browser.

The rules are those of links (`detector.links`), and narrower: no private network except those that
the operator names. An address may contain a password: it is in no log and on no page.
"""

import logging
from ipaddress import ip_network

from detector.errors import MediaError, UnmaskError
from detector.links import LinkRefused, LinkRules
from detector.links.cameras import USUAL_PORTS, CameraAddress, CameraStream, parse
from detector.sentences import _
from service.config import get_config
from service.live.viewers import Viewer

log = logging.getLogger(__name__)


def allowed() -> bool:
    """Return whether network cameras are enabled."""
    config = get_config()
    return config.cameras and (not config.offline or bool(config.camera_networks))


def rules() -> LinkRules:
    """Return the allowed networks of cameras."""
    config = get_config()
    return LinkRules(
        ports=USUAL_PORTS | frozenset(config.camera_ports),
        networks=tuple(ip_network(name) for name in config.camera_networks),
        public=not config.offline,
    )


def address(text: str) -> CameraAddress:
    """Return a camera's address if its form is allowed. Raise LinkRefused otherwise."""
    if not allowed():
        raise LinkRefused(_("Cameras are not watched by their address here."), code="cameras_off")
    return parse(text, rules())


def follow(viewer: Viewer, camera: CameraAddress) -> None:
    """Read a camera for a viewer in a thread of its own until either ends."""
    stream = CameraStream(camera, rules(), stop=viewer.stopped)

    def work() -> None:
        for _time, rgb in stream.frames():
            if not viewer.show(rgb):
                break
        viewer.end()

    def failed(error: BaseException) -> None:
        viewer.failure = _refusal(error)
        viewer.end()

    viewer.run("camera", work, on_error=failed)


def _refusal(error: BaseException) -> UnmaskError:
    """Return why a camera's picture ended, for a person."""
    if isinstance(error, LinkRefused) and error.code == "link_private":
        text = _("This camera is in a network that this server watches no cameras in.")
        hint = _("Who runs this server can name its network: UNMASK_CAMERA_NETWORKS.")
        return LinkRefused(text, code=error.code, hint=hint)
    if isinstance(error, UnmaskError):
        return error
    # Without its text: libraries name what they were given, addresses with passwords too.
    log.error("a camera could not be watched: %s", type(error).__name__)
    return MediaError(_("This camera can't be watched: the log says more."))
