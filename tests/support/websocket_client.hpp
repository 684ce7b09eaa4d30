#pragma once

#include "tests/support/eventually.hpp"
#include "tests/support/http_client.hpp"

#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock::test {

// A WebSocket client on Boost.Beast, which knows nothing of the server's own code. Blocking, for one thread. Everything throws
// std::runtime_error when the time is up, or the handshake is refused.
class websocket_client {
public:
    struct options {
        std::string target = "/v1/stream";
        http_fields fields{};                            // of the handshake
    };
    explicit websocket_client(const std::string& address) : websocket_client(address, options{}) {}
    websocket_client(const std::string& address, options how);
    ~websocket_client();
    websocket_client(const websocket_client&) = delete;
    websocket_client& operator=(const websocket_client&) = delete;

    // A field of the server's 101.
    std::string field(std::string_view name) const;

    void send(const boost::json::value& frame);
    void send_text(std::string_view text);
    void send_binary(std::string_view bytes);
    void ping(std::string_view payload);

    // The next message; nullopt: the connection has been closed.
    std::optional<boost::json::value> try_receive(std::chrono::milliseconds within = patience);
    // The same where there must be one.
    boost::json::value receive(std::chrono::milliseconds within = patience);
    // Reads until it holds; what was received meanwhile is given by the next receive().
    void receive_until(const std::function<bool()>& holds, std::chrono::milliseconds within = patience);
    // Reads on until the server closes, and returns its code; 0: it has closed without one.
    int closed_with(std::chrono::milliseconds within = patience);
    std::string close_reason() const;
    // How many pings and pongs have come so far.
    int pings() const;
    int pongs() const;

    // Says goodbye, and reads the server's answer.
    void close();

private:
    struct state;
    std::unique_ptr<state> state_;
};

// The frame of a client, as bytes: masked, whole unless `fin` is false. For what a well-behaved client would never send.
std::string client_frame(int opcode, std::string_view payload, bool fin = true);

// A connection on which the handshake is done, and anything can be sent.
http_connection raw_websocket(const std::string& address, const http_fields& fields = {});

struct server_frame {
    int opcode = 0;
    std::string payload{};
    // Of a close frame; 0: none.
    int code() const;
};
// The next frame of the server. Throws when there is none in time; nullopt: it has closed.
std::optional<server_frame> next_frame(http_connection& from, std::string& buffer, std::chrono::milliseconds within = patience);

}
