# syntax=docker/dockerfile:1

# One static binary in an empty image.
#   docker build --build-arg VERSION=v0.1.0 --build-arg COMMIT=$(git rev-parse HEAD) -t lmqgate .
#   docker run --rm -p 8080:8080 lmqgate

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
ARG COMMIT=unknown
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X lmqgate/infra/telemetry.version=$VERSION -X lmqgate/infra/telemetry.commit=$COMMIT" \
    -o /out/lmqgate .

FROM scratch
ARG VERSION=devel
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="lmqgate" \
      org.opencontainers.image.description="MQTT gateway for Apache RocketMQ light message queues" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/LICENSE /LICENSE
COPY --from=build /out/lmqgate /lmqgate
# Numeric, so that runAsNonRoot can be checked without a passwd file.
USER 65532:65532
# In a container loopback is reachable by nobody; outside one it stays the default of embedded mode.
ENV BIND_ADDR=0.0.0.0
EXPOSE 8080
# Exec form: the gateway is process 1 and gets SIGTERM itself.
ENTRYPOINT ["/lmqgate"]
