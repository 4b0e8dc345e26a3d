# The server of a model, `apparel serve`: docs/serving.md says how to build, run and call it.
#
#   docker build -t garments .
#   docker run --rm -p 127.0.0.1:8000:8000 -e APPAREL_TOKEN -v "$PWD/data/results/train/model:/model:ro" garments
#
# The base is pinned by its version. A tag may be pushed again: for bit-for-bit builds add the digest that
# `docker buildx imagetools inspect python:3.11.14-slim-bookworm` prints, as python:3.11.14-slim-bookworm@sha256:...
FROM python:3.11.14-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app

# Before the code, so that an edit of that does not install 4 GB again.
COPY requirements.txt ./
RUN pip install --require-hashes --requirement requirements.txt

COPY pyproject.toml ./
COPY apparel ./apparel

# Models that are fetched from MLflow lie in .apparel; nothing else is written.
RUN useradd --uid 10001 --no-create-home --home-dir /app apparel && mkdir .apparel && chown apparel .apparel
USER 10001

EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "apparel", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["--model", "/model"]
