#pragma once

#include "runtime/async/types.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <cstddef>
#include <functional>
#include <list>
#include <span>
#include <string>
#include <vector>

namespace rowlock::api {

// A peer gets this long (for a body: BODY_TIMEOUT_SECONDS), and then a second for each 16 KiB that it sends or takes: slow lines work,
// and who sends a byte a second is cut off.
inline constexpr std::chrono::seconds transfer_grace{30};
inline constexpr std::size_t transfer_bytes_per_second = 16 * 1024;
runtime::deadline transfer_deadline(runtime::deadline started, std::size_t bytes, std::chrono::milliseconds grace = transfer_grace);

// A socket with one input buffer, one output buffer, and a deadline for each way that it waits. The deadlines are plain members that the
// core's watch looks at four times a second (see connection_list): a timer for each read and write would cost more than they do.
// Used on its own core only; by one coroutine at a time, or by one that receives and one that sends.
class connection {
public:
    explicit connection(runtime::tcp_socket socket);

    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    runtime::io_executor executor() { return socket_.get_executor(); }

    // What was received and not yet consumed.
    std::string_view received() const { return {input_.data() + begin_, end_ - begin_}; }
    // The same, for who changes it where it lies.
    std::span<char> received_bytes() { return {input_.data() + begin_, end_ - begin_}; }
    void consume(std::size_t bytes);
    // Waits for more. `room` is how much the buffer may hold at most; there must be some left. False: the peer has closed, failed, or the
    // deadline came; nothing more will be received.
    runtime::awaitable<bool> receive(std::size_t room, runtime::deadline until);
    // The same between two requests, where the wait is long and there is nothing to keep: without a buffer until something comes.
    runtime::awaitable<bool> receive_when_idle(std::size_t room, runtime::deadline until);
    // What the buffer of received() takes.
    std::size_t input_memory() const { return input_.size(); }

    // What is to be sent, in order.
    std::string& output() { return output_; }
    // Sends all of it. False: it could not be sent, and the connection is of no use any more.
    runtime::awaitable<bool> flush();

    // Says that nothing more will be sent, and takes in what the peer still sends, so that the last reply is not lost with a reset.
    // Ends at `until` at the latest.
    runtime::awaitable<void> linger(runtime::deadline until);

    // Has the peer closed its side, or gone? Asks the system; waits for nothing. True also while unread requests lie before the end.
    bool peer_gone();

    // Runs `wait`, which may be long, and cancels it when the peer goes or the server stops: nobody waits for nobody. Returns what it returns.
    template <class T>
    runtime::awaitable<T> attended(runtime::awaitable<T> wait)
    {
        const attention until_the_end(attended_);
        co_return co_await boost::asio::co_spawn(socket_.get_executor(), std::move(wait), boost::asio::bind_cancellation_slot(gone_.slot(), runtime::use_awaitable));
    }

    // Did a wait end because its deadline came?
    bool timed_out() const { return timed_out_; }
    // Between two requests, with nothing received: may be closed at any time.
    void set_idle(bool idle)
    {
        idle_ = idle;
        if (idle) idle_since_ = runtime::steady_clock::now();
    }

    // For who does several things at once: called with every look of the watch, and often while the server stops. It may not end the
    // membership of the connection in its list. Null: nobody.
    void set_look(std::function<void(runtime::deadline now)> look) { look_ = std::move(look); }
    // Ends what waits for the peer; nothing will be received or sent any more.
    void abort();

private:
    friend class connection_list;

    struct attention {
        explicit attention(bool& flag) : flag_(flag) { flag_ = true; }
        ~attention() { flag_ = false; }
        attention(const attention&) = delete;
        attention& operator=(const attention&) = delete;
        bool& flag_;
    };

    void check(runtime::deadline now);
    void check_peer();

    runtime::tcp_socket socket_;
    std::vector<char> input_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool filled_ = false;
    std::string output_;
    runtime::deadline receive_until_ = runtime::no_deadline;
    runtime::deadline send_until_ = runtime::no_deadline;
    boost::asio::cancellation_signal gone_;
    std::function<void(runtime::deadline)> look_;
    bool attended_ = false;
    bool idle_ = false;
    runtime::deadline idle_since_{};
    bool timed_out_ = false;
};

// The connections of one core, and the watch over their deadlines.
class connection_list {
public:
    class membership {
    public:
        membership(connection_list& list, connection& c) : list_(list), at_(list.all_.insert(list.all_.end(), &c)) {}
        ~membership() { list_.all_.erase(at_); }
        membership(const membership&) = delete;
        membership& operator=(const membership&) = delete;

    private:
        connection_list& list_;
        std::list<connection*>::iterator at_;
    };

    // The service: until it is cancelled.
    runtime::awaitable<void> watch();
    // The server stops: ends the waits of those between two requests, and of those that wait for something to happen. Who has only just
    // become idle, or connected, is spared: a request may be on its way.
    void wind_up();
    std::size_t size() const { return all_.size(); }
    // The time as the Date header has it, at most a second old.
    std::string_view date();

private:
    std::list<connection*> all_;
    runtime::deadline date_until_{};
    std::string date_;
};

}
