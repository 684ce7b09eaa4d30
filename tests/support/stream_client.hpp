#pragma once

#include "tests/support/server_process.hpp"
#include "tests/support/websocket_client.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <stdexcept>
#include <string>

namespace rowlock::test {

// A stream that has been welcomed.
struct stream_client {
    explicit stream_client(const server_process& at, http_fields fields = {}) : socket(at.address(), {.fields = std::move(fields)})
    {
        const auto welcome = socket.receive();
        if (text_at(welcome, "/op") != "welcome") throw std::runtime_error("no welcome: " + boost::json::serialize(welcome));
        max_in_flight = welcome.at("max_in_flight").to_number<std::size_t>();
    }

    // The one answer to a frame.
    boost::json::value ask(const boost::json::value& frame)
    {
        socket.send(frame);
        return socket.receive();
    }
    boost::json::value ask_text(std::string_view text)
    {
        socket.send_text(text);
        return socket.receive();
    }
    void subscribe(const boost::json::value& id, const std::string& to, boost::json::array what)
    {
        socket.send(boost::json::object{{"op", "subscribe"}, {"id", id}, {to, std::move(what)}});
    }
    // Returns when the server has seen every frame that was sent so far: they are acted on in order, pings too.
    void await_seen()
    {
        const int before = socket.pongs();
        socket.ping("seen?");
        socket.receive_until([&] { return socket.pongs() > before; });
    }
    // The next event of this id; frames of other ids are dropped.
    boost::json::value next_event(const boost::json::value& id)
    {
        for (;;) {
            auto frame = socket.receive();
            if (text_at(frame, "/op") != "event") throw std::runtime_error("no event: " + boost::json::serialize(frame));
            if (frame.at("id") == id) return frame;
        }
    }
    // Events until the execution that they are of has ended: its states.
    std::vector<std::string> states(const boost::json::value& id)
    {
        std::vector<std::string> all;
        for (;;) {
            const auto event = next_event(id);
            all.push_back(text_at(event, "/execution/status"));
            if (!event.at_pointer("/execution/result").is_null()) return all;
        }
    }

    websocket_client socket;
    std::size_t max_in_flight = 0;
};

}
