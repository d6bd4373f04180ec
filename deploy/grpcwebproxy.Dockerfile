# syntax=docker/dockerfile:1
# grpcwebproxy: lets browsers call one gRPC service by gRPC-Web, without the gateway. Built from its public source, in the
# version that is named here; the Go tool checks it and all it needs against Go's public log of checksums.
# That takes Go's module mirror, as the image is set: the domain of one of its dependencies no longer answers.
#   docker build -f deploy/grpcwebproxy.Dockerfile -t fabula-grpcwebproxy deploy

FROM golang:1.22-alpine AS build
ARG GRPCWEBPROXY=v0.15.0
RUN CGO_ENABLED=0 go install -trimpath github.com/improbable-eng/grpc-web/go/grpcwebproxy@${GRPCWEBPROXY}

FROM alpine:3.20 AS grpcwebproxy
# alpine: its wget is the health check
RUN adduser -S -D -H -u 10001 fabula
COPY --from=build /go/bin/grpcwebproxy /usr/local/bin/grpcwebproxy
USER fabula
STOPSIGNAL SIGTERM
ENTRYPOINT []
CMD ["grpcwebproxy", "--help"]
