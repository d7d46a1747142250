# Unmask as one container: the dashboard on port 8501, the command line by
#     docker run --rm -v "$PWD:/in:ro" unmask python -m detector analyze /in/clip.mp4
#
# Two stages: the first installs the locked packages, the second has no pip cache, no build tools and
# no right to write anywhere but /data and /tmp. tests/integration/service/test_hosting.py lints this file and runs its
# steps without Docker. docs/hosting.md says how to use it.

FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

RUN python -m venv /opt/unmask
COPY requirements.lock requirements.hashes ./
COPY tools/setup.py tools/setup.py

# Each file by its sha256. Without the code: a change of that costs no new installation.
RUN /opt/unmask/bin/python tools/setup.py --hashed dashboard postgres s3 > wanted.txt \
    && /opt/unmask/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: \
        --requirement wanted.txt

# What has no wheel is built by the setuptools that was just installed.
RUN /opt/unmask/bin/python tools/setup.py --sources dashboard postgres s3 > wanted.txt \
    && /opt/unmask/bin/pip install --no-cache-dir --require-hashes --no-deps --no-build-isolation \
        --requirement wanted.txt

# The build of the locked torch for processors, from PyTorch's own index; the one on the usual index
# brings gigabytes for a GPU (TORCH=cuda).
ARG TORCH=cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN /opt/unmask/bin/python tools/setup.py --torch "$TORCH" > wanted.txt \
    && /opt/unmask/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: \
        --extra-index-url "$TORCH_INDEX" --requirement wanted.txt \
    && /opt/unmask/bin/python -c "import torch, torchvision" \
    && rm -r wanted.txt tools

COPY app.py LICENSE NOTICE ./
COPY .streamlit/config.toml .streamlit/config.toml
COPY pages pages
COPY dashboard dashboard
COPY service service
COPY detector detector
COPY weights weights
# Written now, since the user of the second stage can't.
RUN /opt/unmask/bin/python -m compileall -q --invalidation-mode unchecked-hash app.py pages dashboard service detector


FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 unmask \
    && install --directory --owner unmask --mode 700 /data
COPY --from=build /opt/unmask /opt/unmask
COPY --from=build /app /app
WORKDIR /app

# Workers and viewers: a container of two cores sees all of its host's, and can't count its own.
ENV PATH=/opt/unmask/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=8501 \
    UNMASK_DATA=/data \
    UNMASK_WORKERS=1 \
    UNMASK_LIVE_VIEWERS=2 \
    HF_HOME=/data/huggingface \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/matplotlib

USER 1000
EXPOSE 8501
VOLUME ["/data"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['STREAMLIT_SERVER_PORT'] + '/_stcore/health', timeout=4)"]
CMD ["python", "-m", "streamlit", "run", "app.py"]
