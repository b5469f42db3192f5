"""Borrowing tools. 借用工具。

def not_a_function():
"""

import os
from dataclasses import dataclass

SHELVES = 4


# A tool. 工具
@dataclass
class Tool:
    name: str

    def clean(self):
        """Cleans it.

With a line at the margin.
        """
        return self.name


def borrow(who, tool):
    if who:
        return tool
    else:
        return None


if __name__ == "__main__":
    borrow("a", Tool("hammer"))
