# mypy: allow-untyped-defs
"""The client's number as the CRM keeps it: digits alone, and +7 for the 8 that Russians dial first."""

# What an integrator would write, so without annotations. hookd runs this file as hooks/process_client_phone.py,
# functions-framework imports it (functions_app.py), and hook.php says the same in PHP.


def process_client_phone(request):
    digits = "".join(char for char in request["phone"] if char in "0123456789")
    if len(digits) == 11 and digits[0] == "8":
        return {"phone": "+7" + digits[1:]}
    return {"phone": digits}
