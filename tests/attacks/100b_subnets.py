# expect: timeout|memory
"""All subnets of all addresses."""


def process_client_phone(request):
    import ipaddress
    return len(list(ipaddress.ip_network('::/0').subnets(new_prefix=64)))
