# The agents' runtime: its program, the libraries it needs, CA certificates and time zones, and nothing else.
# From the root of the repository: docker build -f deploy/docker/agent-runtime.Dockerfile .
FROM docker.io/library/debian:bookworm-slim AS build-base
COPY cmake/debian-packages.txt cmake/install-packages.sh /src/cmake/
RUN /src/cmake/install-packages.sh build && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM build-base AS build
WORKDIR /src
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY core core
COPY libs libs
COPY runtime-pod runtime-pod
COPY deploy/docker/collect.sh deploy/docker/collect.sh
ARG REVISION=unknown
# The compiler's cache tells languages apart: with the caller's, what was compiled outside is found here.
ARG LANG
ARG LC_ALL
RUN cmake --preset release -DOPENAGENTS_TESTS=OFF -DOPENAGENTS_COMMIT=$REVISION \
 && cmake --build --preset release --target agent-runtime \
 && deploy/docker/collect.sh build/release/runtime-pod/agent-runtime /image \
 && rm -rf build

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="OpenAgents agent runtime" \
      org.opencontainers.image.description="Runs one durable agent in a pod, or any number as a local daemon" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.base.name=scratch
COPY --from=build /image /
USER 65532:65532
EXPOSE 8080 9090 9464
ENTRYPOINT ["/usr/local/bin/agent-runtime"]
CMD ["pod"]
