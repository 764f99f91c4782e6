"""
Which hosts a site's hooks may reach: what an operator lists, what a URL names, and what an address is.

A listed host is a name ("api.example.org"), all names below one ("*.example.org"), an address ("10.0.0.5", "[fd00::5]")
or a network ("172.18.0.0/16"), each with a port or without: then it is 80 for http and 443 for https. Public addresses
are reached under listed names; an address that is not public has to be listed itself, whatever name leads to it.

A URL is taken apart here, strictly and once: where parsers differ (backslashes, `@`, numbers as hosts, control
characters) it is refused, and whoever connects uses what was read here.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

import idna

DEFAULT_PORTS = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: how an IPv6-only machine reaches an IPv4 address
_TUNNELS = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv6Network("2001::/32"))  # 6to4, Teredo
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # what inet_aton would read as an address (WHATWG URL)
_PORT = re.compile(r"[0-9]{1,5}")
_URL = re.compile(r"(https?)://([^/?#]*)([/?#].*)?", re.IGNORECASE)
_ODD = re.compile(r"[\x00-\x20\x7f\\]")  # clients cut, drop or turn these into something else
_NAME_CHARACTERS_MAX = 253


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where a URL leads.

    Attributes:
        host: The name in lower case, as in the DNS, without a final dot; or the address as it is written canonically.
        rest: Path and query as they stand in the URL.
    """

    scheme: str
    host: str
    port: int
    rest: str = ""

    @property
    def origin(self) -> str:
        """The beginning of its URLs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")

    @property
    def entry(self) -> str:
        """How the operator would list it."""
        return self.origin.partition("://")[2]


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A host that is listed.

    Attributes:
        name: A name, with "*." before it for all below it; "" for a network.
        network: An address is a network of one.
        port: None is the default one of the scheme.
    """

    name: str
    network: Network | None
    port: int | None

    def has_host(self, target: Target) -> bool:
        """Whether *target* is what is listed."""
        if target.port != (self.port or DEFAULT_PORTS[target.scheme]):
            return False
        address = _address(target.host)
        if self.network or address:
            return bool(self.network and address and address in self.network)
        return target.host.endswith(self.name[1:]) if self.name.startswith("*.") else target.host == self.name

    def has_address(self, address: Address, port: int) -> bool:
        """Whether *address* itself is listed, with *port*."""
        is_port = port == self.port if self.port else port in DEFAULT_PORTS.values()
        return bool(self.network and is_port and unwrapped(address) in self.network)


def read_entry(text: str) -> Entry:
    """
    Return the host that is listed as *text*.

    Raises:
        ValueError: It is none; says what is expected.
    """
    host, port = _split(text)
    name = host.removeprefix("*.")
    network = _network(name)
    if network is None:
        name = _name(name)
    elif host != name or network.is_multicast or network.network_address.is_unspecified:
        raise ValueError(f"{text!r} is no address that can be listed")
    if network is None and host != name and "." not in name:
        raise ValueError(f"{text!r} would be all hosts below {name}; list them one by one")
    return Entry("" if network else (f"*.{name}" if host.startswith("*.") else name), network, port)


def read_url(url: str) -> Target:
    """
    Return where *url* leads.

    Raises:
        ValueError: It is no plain http or https URL; says what is wrong with it, without quoting it.
    """
    odd = _ODD.search(url)
    if odd:
        what = "a backslash" if odd.group() == "\\" else "a space, a line break or another control character"
        raise ValueError(f"there is {what} in the URL")
    found = _URL.fullmatch(url)
    if not found:
        raise ValueError("the URL does not begin with http:// or https://")
    scheme, authority, rest = found[1].lower(), found[2], found[3] or "/"
    if "@" in authority:
        raise ValueError("there is an @ before the path of the URL")
    host, port = _split(authority)
    address = _address(host.strip("[]")) if host.startswith("[") or ":" not in host else None
    name = str(address) if address else _name(host)
    return Target(scheme, name, port or DEFAULT_PORTS[scheme], rest)


def is_public(address: Address) -> bool:
    """
    Whether *address* is one that everybody in the internet reaches: no private, local, reserved or multicast one.
    """
    address = unwrapped(address)
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.is_site_local or any(address in tunnel for tunnel in _TUNNELS):
            return False
    is_special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not is_special and not address.is_loopback and not address.is_link_local


def is_loopback(host: str) -> bool:
    """
    Whether *host* means this machine by its loopback: localhost, or an address, with brackets or without.
    """
    if host in ("127.0.0.1", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_listed(entries: Sequence[Entry], target: Target) -> bool:
    """
    Whether *target* is among the hosts of *entries*.
    """
    return any(entry.has_host(target) for entry in entries)


def may_connect(entries: Sequence[Entry], address: Address, port: int) -> bool:
    """
    Whether a connection to *address* is allowed, for a target that is listed.
    """
    return is_public(address) or any(entry.has_address(address, port) for entry in entries)


def unwrapped(address: Address) -> Address:
    """
    Return the IPv4 address that an IPv6 socket would reach as ::ffff:a.b.c.d; any other address as it is.
    """
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _split(authority: str) -> tuple[str, int | None]:
    """Host and port of "host", "host:port", "[address]:port" and, in settings, "address/bits" and a bare IPv6 one."""
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]") or (authority.count(":") > 1 and not host.endswith("]")):
        return authority, None
    if not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise ValueError("after the colon a port from 1 to 65535 is expected")
    return host, int(port)


def _address(text: str) -> Address | None:
    if "%" in text:  # a zone: whose interface would that be?
        return None
    try:
        return unwrapped(ipaddress.ip_address(text))
    except ValueError:
        return None


def _network(text: str) -> Network | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    address = _address(bare)
    if address:
        return ipaddress.ip_network(address)
    try:
        return ipaddress.ip_network(bare) if "/" in bare else None
    except ValueError as error:
        raise ValueError(f"{text!r} is no network: {error}") from error


def _name(text: str) -> str:
    """The host name *text* as it is looked up."""
    name = text.lower()
    if not name.isascii():
        try:
            name = idna.encode(name).decode()
        except idna.IDNAError as error:
            raise ValueError("the host is no name that can be looked up") from error
    name = name.removesuffix(".")
    if _NUMERIC.fullmatch(name):
        if _address(name):
            return str(_address(name))
        raise ValueError('the host looks like a number; an address is written as "93.184.215.14"')
    if not _NAME.fullmatch(name) or len(name) > _NAME_CHARACTERS_MAX:
        raise ValueError('a host is expected, such as "api.example.org"')
    return name
