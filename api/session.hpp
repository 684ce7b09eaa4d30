#pragma once

#include "api/connection.hpp"
#include "api/server.hpp"

namespace rowlock::api {

// Serves one client until one of the two ends it: keep-alive, pipelined requests answered in their order, every wait bounded. A child of
// its core's task group.
runtime::awaitable<void> serve(runtime::tcp_socket socket, const services& app, connection_list& connections);

// The client is one too many: says so, and closes.
runtime::awaitable<void> turn_away(runtime::tcp_socket socket, connection_list& connections);

}
