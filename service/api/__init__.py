"""The REST API: the same service as the pages', for programs.

One FastAPI application, served alone (`unmask serve`) or beside the dashboard on its own address.
A file in `routes` is a resource; nothing else lists it. Knows no Streamlit.
"""

import re

PATHS = re.compile(
    r"/(v\d+|api|docs|openapi\.json|static-offline-docs|health|healthz|readyz|livez|metrics|upload-video)(/.*)?"
)
"""What is the API's where it shares an address with the pages, there or not."""
