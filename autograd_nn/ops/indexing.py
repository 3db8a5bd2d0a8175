"""(being written)"""
class At:
    pass
