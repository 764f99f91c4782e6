"""
Bitrix24 for tests: what it sends, and a server that behaves as it does.
"""
