"""What schemathesis sends as a body: photographs. Loaded by it, for test_serve_openapi.py."""

import schemathesis
from asking import picture
from hypothesis import strategies as st

PICTURES = [picture(seed, kind=kind) for seed, kind in enumerate(("PNG", "JPEG", "GIF"))]
schemathesis.openapi.media_type("application/octet-stream", st.sampled_from(PICTURES))
