"""Which strings may name things in Kubernetes: labels, subdomains, keys, ports, addresses, each with its message.

Every function returns what is wrong with a string as messages for people, an empty list where nothing is. The rules and
the wordings that clients see are those of ``k8s.io/apimachinery/pkg/util/validation`` (RFC 1123, RFC 1035, RFC 6335).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

LABEL_MAX_LENGTH = 63
SUBDOMAIN_MAX_LENGTH = 253

#: A rule for a whole name. ``prefix`` says that a random suffix will follow (generateName).
NameRule = Callable[[str, bool], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = r"\*\." + _SUBDOMAIN
_UNDERSCORE_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORE_SUBDOMAIN = _UNDERSCORE_LABEL + r"(\." + _UNDERSCORE_LABEL + ")*"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = "(" + _KEY + ")?"
_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_PERCENT = "[0-9]+%"
_HTTP_HEADER = "[-A-Za-z0-9]+"
_ENV_VAR = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_label_match = re.compile(_LABEL).fullmatch
_subdomain_match = re.compile(_SUBDOMAIN).fullmatch
_subdomain_caseless_match = re.compile(_SUBDOMAIN, re.IGNORECASE | re.ASCII).fullmatch
_label_1035_match = re.compile(_LABEL_1035).fullmatch
_wildcard_match = re.compile(_WILDCARD).fullmatch
_underscore_match = re.compile(_UNDERSCORE_SUBDOMAIN).fullmatch
_key_match = re.compile(_KEY).fullmatch
_label_value_match = re.compile(_LABEL_VALUE).fullmatch
_identifier_match = re.compile(_IDENTIFIER).fullmatch
_percent_match = re.compile(_PERCENT).fullmatch
_http_header_match = re.compile(_HTTP_HEADER).fullmatch
_env_var_match = re.compile(_ENV_VAR).fullmatch
_config_key_match = re.compile(_CONFIG_KEY).fullmatch
_http_path_match = re.compile(_HTTP_PATH).fullmatch
_port_charset_match = re.compile("[-a-z0-9]+").fullmatch
_has_letter = re.compile("[a-z]").search

_LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_CASELESS_MESSAGE = (
    "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_UNDERSCORE_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_LABEL_1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)
_WILDCARD_MESSAGE = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_KEY_MESSAGE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_LABEL_VALUE_MESSAGE = "a valid label must be an empty string or consist of " + _KEY_MESSAGE.removeprefix(
    "must consist of "
)
_IDENTIFIER_MESSAGE = (
    "a valid C identifier must start with alphabetic character or '_', "
    "followed by a string of alphanumeric characters or '_'"
)
_ENV_VAR_MESSAGE = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', "
    "and must not start with a digit"
)
_RELAXED_ENV_VAR_MESSAGE = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
EMPTY_MESSAGE = "must be non-empty"


def max_length_message(length: int) -> str:
    """What is said of a string of more than ``length`` characters."""
    return f"must be no more than {length} characters"


def regex_message(message: str, pattern: str, *examples: str) -> str:
    """What is said of a string that a pattern refuses."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def range_message(low: int, high: int) -> str:
    """What is said of a number outside an inclusive range."""
    return f"must be between {low} and {high}, inclusive"


def dns1123_label(value: str) -> list[str]:
    """A label in DNS (RFC 1123)."""
    errors = [max_length_message(LABEL_MAX_LENGTH)] if len(value) > LABEL_MAX_LENGTH else []
    if not _label_match(value):
        dotted = _subdomain_match(value)
        errors.append(
            "must not contain dots" if dotted else regex_message(_LABEL_MESSAGE, _LABEL, "my-name", "123-abc")
        )
    return errors


def dns1123_subdomain(value: str) -> list[str]:
    """A subdomain in DNS (RFC 1123)."""
    errors = [max_length_message(SUBDOMAIN_MAX_LENGTH)] if len(value) > SUBDOMAIN_MAX_LENGTH else []
    if not _subdomain_match(value):
        errors.append(regex_message(_SUBDOMAIN_MESSAGE, _SUBDOMAIN, "example.com"))
    return errors


def dns1123_subdomain_caseless(value: str) -> list[str]:
    """A subdomain in DNS, capitals allowed."""
    errors = [max_length_message(SUBDOMAIN_MAX_LENGTH)] if len(value) > SUBDOMAIN_MAX_LENGTH else []
    if not _subdomain_caseless_match(value):
        errors.append(regex_message(_SUBDOMAIN_CASELESS_MESSAGE, _SUBDOMAIN, "Example.com"))
    return errors


def dns1123_subdomain_with_underscore(value: str) -> list[str]:
    """A subdomain in DNS, underscores allowed (search domains)."""
    errors = [max_length_message(SUBDOMAIN_MAX_LENGTH)] if len(value) > SUBDOMAIN_MAX_LENGTH else []
    if not _underscore_match(value):
        errors.append(regex_message(_UNDERSCORE_MESSAGE, _UNDERSCORE_SUBDOMAIN, "example.com"))
    return errors


def dns1035_label(value: str) -> list[str]:
    """A label in DNS (RFC 1035): starts with a letter."""
    errors = [max_length_message(LABEL_MAX_LENGTH)] if len(value) > LABEL_MAX_LENGTH else []
    if not _label_1035_match(value):
        errors.append(regex_message(_LABEL_1035_MESSAGE, _LABEL_1035, "my-name", "abc-123"))
    return errors


def wildcard_dns1123_subdomain(value: str) -> list[str]:
    """A subdomain whose first label is ``*`` (RFC 1034 section 4.3.3)."""
    errors = [max_length_message(SUBDOMAIN_MAX_LENGTH)] if len(value) > SUBDOMAIN_MAX_LENGTH else []
    if not _wildcard_match(value):
        errors.append(regex_message(_WILDCARD_MESSAGE, _WILDCARD, "*.example.com"))
    return errors


def qualified_name(value: str) -> list[str]:
    """A label key: a name with an optional DNS subdomain and ``/`` before it."""
    if len(value) <= LABEL_MAX_LENGTH and _key_match(value):
        return []
    prefix, slash, name = value.partition("/")
    errors: list[str] = []
    if not slash:
        name = prefix
    elif "/" in name:
        return [
            f"a valid label key {regex_message(_KEY_MESSAGE, _KEY, 'MyName', 'my.name', '123-abc')}"
            " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    elif not prefix:
        errors.append(f"prefix part {EMPTY_MESSAGE}")
    else:
        errors += [f"prefix part {message}" for message in dns1123_subdomain(prefix)]
    if not name:
        errors.append(f"name part {EMPTY_MESSAGE}")
    elif len(name) > LABEL_MAX_LENGTH:
        errors.append(f"name part {max_length_message(LABEL_MAX_LENGTH)}")
    if not _key_match(name):
        errors.append(f"name part {regex_message(_KEY_MESSAGE, _KEY, 'MyName', 'my.name', '123-abc')}")
    return errors


def label_value(value: str) -> list[str]:
    """A label's value."""
    errors = [max_length_message(LABEL_MAX_LENGTH)] if len(value) > LABEL_MAX_LENGTH else []
    if not _label_value_match(value):
        errors.append(regex_message(_LABEL_VALUE_MESSAGE, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return errors


def c_identifier(value: str) -> list[str]:
    """An identifier in C."""
    if _identifier_match(value):
        return []
    return [regex_message(_IDENTIFIER_MESSAGE, _IDENTIFIER, "my_name", "MY_NAME", "MyName")]


def port_number(port: int) -> list[str]:
    """A TCP, UDP or SCTP port other than 0."""
    return [] if 1 <= port <= 65535 else [range_message(1, 65535)]


def port_name(name: str) -> list[str]:
    """A port's name (RFC 6335), lower case only."""
    errors = [max_length_message(15)] if len(name) > 15 else []
    if not _port_charset_match(name):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _has_letter(name):
        errors.append("must contain at least one letter (a-z)")
    if "--" in name:
        errors.append("must not contain consecutive hyphens")
    if name and (name[0] == "-" or name[-1] == "-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def in_range(value: int, low: int, high: int) -> list[str]:
    """A number within an inclusive range."""
    return [] if low <= value <= high else [range_message(low, high)]


def user_or_group_id(number: int) -> list[str]:
    """A uid or gid: 0 to 2^31 - 1."""
    return in_range(number, 0, 2**31 - 1)


def percent(value: str) -> list[str]:
    """A percentage such as ``25%``."""
    if _percent_match(value):
        return []
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_message(message, _PERCENT, "1%", "93%")]


def http_header_name(value: str) -> list[str]:
    """The name of an HTTP header field."""
    if _http_header_match(value):
        return []
    message = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [regex_message(message, _HTTP_HEADER, "X-Header-Name")]


def env_var_name(value: str) -> list[str]:
    """The name of an environment variable, in the old strict form."""
    errors = []
    if not _env_var_match(value):
        errors.append(regex_message(_ENV_VAR_MESSAGE, _ENV_VAR, "my.env-name", "MY_ENV.NAME", "MyEnvName1"))
    return errors + _change_directory(value)


def relaxed_env_var_name(value: str) -> list[str]:
    """The name of an environment variable: any printable ASCII but ``=`` (KEP-4369)."""
    if not value:
        return [f"environment variable name {EMPTY_MESSAGE}"]
    if value.isascii() and value.isprintable() and "=" not in value:
        return []
    return [_RELAXED_ENV_VAR_MESSAGE]


def config_map_key(value: str) -> list[str]:
    """A key in a ConfigMap or Secret: usable as a file's name."""
    errors = [max_length_message(SUBDOMAIN_MAX_LENGTH)] if len(value) > SUBDOMAIN_MAX_LENGTH else []
    if not _config_key_match(value):
        message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        errors.append(regex_message(message, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return errors + _change_directory(value)


def _change_directory(value: str) -> list[str]:
    if value == ".":
        return ["must not be '.'"]
    if value == "..":
        return ["must not be '..'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def http_path(value: str) -> list[str]:
    """The path of a domain-prefixed path (RFC 3986)."""
    return [] if _http_path_match(value) else [regex_message("Invalid path", _HTTP_PATH)]


def path_segment(value: str, prefix: bool = False) -> list[str]:
    """A string that can stand as one segment of a URL's path."""
    if not prefix and value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{character}'" for character in ("/", "%") if character in value]


def mask_trailing_dash(name: str) -> str:
    """``name`` with a final dash replaced: a prefix may end with one, since a suffix will follow."""
    return name[:-2] + "a" if len(name) > 1 and name.endswith("-") else name


def subdomain_name(name: str, prefix: bool = False) -> list[str]:
    """The rule of objects whose name is a DNS subdomain (most kinds)."""
    return dns1123_subdomain(mask_trailing_dash(name) if prefix else name)


def label_name(name: str, prefix: bool = False) -> list[str]:
    """The rule of objects whose name is a DNS label (namespaces, services)."""
    return dns1123_label(mask_trailing_dash(name) if prefix else name)


def label_1035_name(name: str, prefix: bool = False) -> list[str]:
    """The rule of objects whose name is an RFC 1035 label."""
    return dns1035_label(mask_trailing_dash(name) if prefix else name)


IP_MESSAGE = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_MESSAGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_ip(value: str) -> Address | None:
    """The address in ``value``, None where it holds none. Zones are not allowed."""
    if "%" in value:
        return None
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def _without_leading_zeros(value: str) -> str:
    return ".".join(part.lstrip("0") or "0" for part in value.split("."))


def ip_address(value: str) -> list[str]:
    """An IP address in a field that need not be canonical, without leading zeros or mapped IPv4 (KEP-4858)."""
    address = parse_ip(value)
    if address is None:
        if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", value) and parse_ip(_without_leading_zeros(value)):
            return ["must not have leading 0s"]
        return [IP_MESSAGE]
    if address.version == 6 and address.ipv4_mapped is not None:
        return ["must not be an IPv4-mapped IPv6 address"]
    return []


def canonical_ip_address(value: str) -> list[str]:
    """An IP address in its one canonical form (RFC 5952 for IPv6)."""
    errors = ip_address(value)
    if errors:
        return errors
    canonical = str(parse_ip(value))
    return [] if value == canonical else [f'must be in canonical form ("{canonical}")']


def cidr(value: str) -> list[str]:
    """An address range in a field that need not be canonical (KEP-4858)."""
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return [_loose_cidr_message(value)]
    length = value.partition("/")[2]
    if not length.isdigit():
        return [CIDR_MESSAGE]
    if length != str(int(length)):
        return ["must not have leading 0s in IP or prefix length"]
    address = ipaddress.ip_address(value.partition("/")[0])
    if address.version == 6 and address.ipv4_mapped is not None:
        return ["must not have an IPv4-mapped IPv6 address"]
    return [] if address == network.network_address else ["must not have bits set beyond the prefix length"]


def _loose_cidr_message(value: str) -> str:
    address, slash, length = value.partition("/")
    if slash and re.fullmatch(r"[0-9]+(\.[0-9]+){3}", address) and length.isdigit() and int(length) <= 32:
        return (
            "must not have leading 0s in IP or prefix length"
            if parse_ip(_without_leading_zeros(address))
            else CIDR_MESSAGE
        )
    return CIDR_MESSAGE


def canonical_cidr(value: str) -> list[str]:
    """An address range in its one canonical form."""
    errors = cidr(value)
    if errors:
        return errors
    canonical = str(ipaddress.ip_network(value))
    return [] if value == canonical else [f'must be in canonical form ("{canonical}")']
