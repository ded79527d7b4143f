"""HEAR 2021 (arXiv 2203.03022): task folders, the evaluation kit's protocol, and its scores."""
