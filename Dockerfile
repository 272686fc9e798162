# syntax=docker/dockerfile:1

# The same base for all stages: what is built with one Python runs with it.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

# The wheel of the operator, made with the locked build backend.
FROM ${PYTHON_IMAGE} AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY requirements-dev.lock ./
RUN pip install --require-hashes --only-binary=:all: --requirement requirements-dev.lock
COPY pyproject.toml README.md LICENSE ./
COPY informers ./informers
COPY reconcilers ./reconcilers
COPY dittofs_operator ./dittofs_operator
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# What the operator needs at run time, in a virtual environment without pip.
FROM ${PYTHON_IMAGE} AS environment
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/dittofs-operator
COPY requirements.lock ./
RUN pip --python /opt/dittofs-operator/bin/python install \
        --require-hashes --only-binary=:all: --requirement requirements.lock
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/dittofs-operator/bin/python install --no-deps --no-index /wheels/*.whl \
    && python -m compileall -q /opt/dittofs-operator/lib

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="dittofs-operator" \
      org.opencontainers.image.description="Runs DittoFS file servers on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel
COPY --from=environment /opt/dittofs-operator /opt/dittofs-operator
ENV PATH=/opt/dittofs-operator/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number: the kubelet can't tell whether a name is root (runAsNonRoot).
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["dittofs-operator"]
CMD ["run"]
