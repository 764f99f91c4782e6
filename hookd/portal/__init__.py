"""
The Bitrix24 side: what a portal sends, whom to believe, and how to ask it back.
"""
