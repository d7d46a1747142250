# Unmask as one container: the dashboard on port 8501, the command line by
#     docker run --rm -v "$PWD:/in:ro" unmask python -m cli analyze /in/clip.mp4
#
# Two stages: the first installs the locked packages, the second has no pip cache, no build tools and
# no right to write anywhere but /data and /tmp. tests/integration/project/test_image.py runs each
# step without Docker. docs/hosting.md says how to use it.

FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

# Each file by its sha256. Without the code: a change of that costs no new installation. PyTorch is
# its CPU build, from its own index or a mirror; TORCH=cuda takes the one on PyPI, with gigabytes for
# a GPU. What installs is removed again, and what is never loaded: tests, headers, source maps,
# archives for linkers, OpenVINO's plugins for GPUs.
ARG TORCH=cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY pyproject.toml uv.lock requirements-cpu.txt ./
COPY tools/setup.py tools/setup.py
RUN VENV=/opt/unmask TORCH="$TORCH" TORCH_INDEX="$TORCH_INDEX" UV_NO_CACHE=1 \
    python tools/setup.py --packages-only dashboard postgres s3 links \
    && /opt/unmask/bin/pip uninstall --yes uv hatchling editables \
    && rm -r tools pyproject.toml uv.lock requirements-cpu.txt \
    && find /opt/unmask -regextype posix-extended -regex '.*/(tests|torch/(test|include|bin/(test_.*|protoc.*|.*Test))|share/jupyter|openvino/libs/(cache\.json|libopenvino_intel_[gn]pu.*)|.*\.(map|rlib))' -prune -exec rm -r {} +

COPY app.py LICENSE NOTICE ./
COPY .streamlit/config.toml .streamlit/config.toml
COPY pages pages
COPY dashboard dashboard
COPY service service
COPY detector detector
COPY cli cli
COPY weights weights
# Compiled now, since the user of the second stage can't write: the code, and the packages that it
# imports here. All packages would take 340 MB.
RUN /opt/unmask/bin/python -m compileall -q --invalidation-mode unchecked-hash app.py pages dashboard service detector cli \
    && /opt/unmask/bin/python -c "import dashboard.server, pages, detector.pipeline, torchvision, timm, openvino"


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
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['STREAMLIT_SERVER_PORT'] + '/healthz', timeout=4)"]
CMD ["python", "-m", "streamlit", "run", "app.py"]
