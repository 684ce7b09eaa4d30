#pragma once

#include "api/connection.hpp"
#include "api/request_memory.hpp"
#include "api/server.hpp"
#include "api/stream_frames.hpp"
#include "api/stream_subscriptions.hpp"
#include "api/submissions.hpp"
#include "api/websocket_frames.hpp"
#include "runtime/async/bell.hpp"
#include "runtime/async/task_group.hpp"
#include "storage/model/principal.hpp"

#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <memory>
#include <optional>
#include <string>

namespace rowlock::api {

// Who has opened a stream, and with what; asked again while it lasts.
struct stream_caller {
    principal who;
    std::string authorization;       // as the header has it
    std::string tenant;              // X-Rowlock-Tenant; "": none
    std::string trace_parent;        // of everything that is submitted
};

// One WebSocket of /v1/stream: reads frames and acts on them, and sends what comes of it, in any order. Everything is bounded: the size of
// a message, the submissions that wait for their commit (by number: more are refused; by bytes: nothing is read meanwhile), the
// subscriptions, what is to be sent (nothing is read while there is much of it; past a bound the client is cut off), and every wait. Lives
// on its connection's core.
class stream_socket {
public:
    // `app` and `c` outlive it.
    stream_socket(const services& app, connection& c, stream_caller caller);
    ~stream_socket();

    stream_socket(const stream_socket&) = delete;
    stream_socket& operator=(const stream_socket&) = delete;

    // Returns when the stream is over and every answer that it waited for has come. Cancellation does not reach it: what it waits for has
    // bounds of its own, and it ends when the server stops.
    runtime::awaitable<void> run();

private:
    class answer_waiter;

    runtime::awaitable<void> read();
    runtime::awaitable<void> write();
    runtime::awaitable<void> act_on(websocket::received message);
    // False: the frame needs the database, and finish_frame() has to go on with it.
    bool handle_at_once(std::string_view text);
    bool submit_at_once();
    runtime::awaitable<void> finish_frame();
    runtime::awaitable<void> finish_submit();
    runtime::awaitable<void> subscribe();
    // Passes on what is told of subscriptions.
    runtime::awaitable<void> tell();
    void submit(runtime::submit_request request);
    void answered(const answer_waiter& one, runtime::submit_answer answer);
    // Is the token still good? False: the stream has been closed.
    runtime::awaitable<bool> check_caller();

    void send(std::string_view json) { send(websocket::opcode::text, json); }
    void send(websocket::opcode what, std::string_view payload);
    void reject(std::string_view id, const error& why);
    // The last frame of ours. What waits to be sent goes before it.
    void close(websocket::close_code why, std::string_view reason);
    // The client takes too little of what it asked for: it is told so, and nothing else any more.
    void cut_off();
    // There is nobody to talk to any more.
    void lose();
    // With every look of the core's watch: pings, deadlines, the end of the server.
    void look(runtime::deadline now);

    void wake_all();
    // Counts what has come and is not done with. False: it finds no room.
    bool count_memory(std::size_t more = 0);
    bool must_pause() const;
    std::size_t outgoing() const { return pending_.size() + sending_; }
    submission_scope scope() const { return {app_.instance, caller_.who, caller_.trace_parent}; }

    const services& app_;
    connection& connection_;
    stream_caller caller_;
    request_memory counted_;
    websocket::message_reader messages_;
    runtime::task_group children_;
    runtime::bell something_to_send_;
    runtime::bell go_on_reading_;
    runtime::bell all_answered_;

    // What is to be sent next; what is being sent is in the connection.
    std::string pending_;
    std::size_t sending_ = 0;
    std::string scratch_;

    // The frame at hand.
    std::array<unsigned char, 4096> first_memory_;
    std::optional<boost::json::monotonic_resource> memory_;
    std::optional<boost::json::value> parsed_;
    stream_frame frame_;
    batch batch_;
    std::size_t frame_bytes_ = 0;

    stream_subscriptions subscriptions_;

    std::size_t in_flight_ = 0;
    std::size_t in_flight_bytes_ = 0;
    runtime::deadline received_at_;
    runtime::deadline checked_at_;
    std::optional<runtime::deadline> message_began_;
    runtime::deadline close_by_ = runtime::no_deadline;
    bool telling_ = false;           // tell() has been started
    bool pinged_ = false;
    bool closing_ = false;           // our close frame is in pending_, or has been sent
    bool peer_closed_ = false;
    bool lost_ = false;
};

}
