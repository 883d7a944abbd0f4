"""The paper's theory and discussion as studies that run on any data set.

A study is a list of passes over the scenes; a pass weighs every scene's features in several ways
and measures what comes out. Results are JSON first; tables and plots are drawn from them.
"""
