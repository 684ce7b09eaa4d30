#include "api/stream_socket.hpp"

#include "api/auth.hpp"
#include "api/problem.hpp"
#include "api/query.hpp"
#include "api/routes.hpp"
#include "api/websocket_upgrade.hpp"

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace rowlock::api {

namespace {

using namespace std::chrono_literals;
using websocket::close_code;
using websocket::opcode;
using websocket::received;

// While more than this waits to be sent, nothing is read: who does not take answers gives no more orders.
constexpr std::size_t much_to_send = 1u << 20;
// Who lets so much gather is cut off: it reads too slowly.
constexpr std::size_t most_to_send = 8u << 20;
// While frames of more than this wait for their commit, nothing is read.
constexpr std::size_t much_in_flight = 32u << 20;
constexpr std::size_t memory_kept = 64 * 1024;
// What the client has to answer our close, or to take what goes before it.
constexpr auto close_time = 5s;
constexpr auto linger_time = 2s;
// A token is asked about again after this long, as for requests.
constexpr auto believed_for = 1s;
// So long before it would be dropped as silent, a client is asked for a sign of life.
constexpr int pings_per_idle_timeout = 2;

}

// Waits for the commit of one frame, without a coroutine: what is answered together is then sent together.
class stream_socket::answer_waiter final : public runtime::waiter<runtime::submit_answer> {
public:
    answer_waiter(stream_socket& owner, runtime::core& home) : waiter(home), id(owner.frame_.id), bytes(owner.frame_bytes_), has_key(!owner.batch_.key.empty()), owner_(owner) {}

    void resume() override
    {
        if (why_) value_.emplace(error{errc::internal, "Something failed that should not have. The server's log says what."});
        owner_.answered(*this, std::move(*value_));
    }

    const std::string id;
    const std::size_t bytes;
    const bool has_key;

private:
    stream_socket& owner_;           // outlives it: run() waits for all answers
};

stream_socket::stream_socket(const services& app, connection& c, stream_caller caller)
    : app_(app), connection_(c), caller_(std::move(caller)), counted_(app.limits.body_memory), messages_(app.options.max_body_bytes), children_(c.executor()), something_to_send_(c.executor()),
      go_on_reading_(c.executor()), all_answered_(c.executor()), subscriptions_(app.instance.changes(), runtime::core::of(c.executor())), received_at_(runtime::steady_clock::now()), checked_at_(received_at_)
{
    batch_.key_stands_in = "the frame's own idempotency_key";
}

stream_socket::~stream_socket() = default;

runtime::awaitable<void> stream_socket::run()
{
    struct presence {
        explicit presence(stream_socket& one) : stream(one)
        {
            http_figures::add(stream.app_.figures.streams, std::int64_t{1});
            stream.connection_.set_look([&one](runtime::deadline now) { one.look(now); });
        }
        ~presence()
        {
            stream.connection_.set_look(nullptr);
            http_figures::add(stream.app_.figures.streams, std::int64_t{-1});
        }
        stream_socket& stream;
    };
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    const presence here(*this);
    scratch_.clear();
    append_welcome(scratch_, app_.options.max_in_flight);
    send(scratch_);
    children_.spawn(write());
    try {
        co_await read();
    } catch (const std::exception& e) {
        spdlog::error("a stream failed: {}", e.what());
        close(close_code::internal, "something failed that should not have");
    }
    while (in_flight_ > 0) co_await all_answered_.wait();
    co_await children_.join();
    if (!lost_) co_await connection_.linger(runtime::steady_clock::now() + linger_time);
}

runtime::awaitable<void> stream_socket::read()
{
    while (!lost_ && !peer_closed_) {
        if (must_pause()) {
            co_await go_on_reading_.wait();
            continue;
        }
        auto message = messages_.next(connection_.received_bytes());
        if (message.what == received::kind::nothing) {
            if (!message_began_ && (!connection_.received().empty() || messages_.in_message())) message_began_ = received_at_;
            const bool more = co_await connection_.receive(messages_.room(), runtime::no_deadline);
            received_at_ = runtime::steady_clock::now();
            pinged_ = false;
            if (!more) {
                lose();
                co_return;
            }
            if (count_memory()) continue;
            close(close_code::try_again_later, "what others have sent takes all the memory that there is for messages");
            co_return;
        }
        if (message.what != received::kind::part) message_began_.reset();
        http_figures::add(app_.figures.stream_frames_received, std::uint64_t{1});
        if (message.what == received::kind::fault) {
            close(message.why, message.explanation);
            co_return;
        }
        if (message.what == received::kind::close) {
            peer_closed_ = true;
            close(message.why, "");
        }
        if (!closing_) co_await act_on(message);
        connection_.consume(message.consumed);
    }
}

runtime::awaitable<void> stream_socket::act_on(received message)
{
    switch (message.what) {
    case received::kind::text:
        if (received_at_ - checked_at_ >= believed_for && !co_await check_caller()) co_return;
        if (!handle_at_once(message.payload)) co_await finish_frame();
        parsed_.reset();
        memory_.reset();
        break;
    case received::kind::binary: reject("null", {errc::unsupported_media_type, "This frame was binary. Send JSON in text frames."}); break;
    case received::kind::ping: send(opcode::pong, message.payload); break;
    case received::kind::nothing: case received::kind::part: case received::kind::pong: case received::kind::close: case received::kind::fault: break;
    }
}

// In steps, so that small frames in any number seldom touch what cores share.
bool stream_socket::count_memory(std::size_t more)
{
    constexpr std::size_t step = 64 * 1024;
    const std::size_t bytes = connection_.input_memory() + messages_.kept() + in_flight_bytes_ + more;
    return counted_.hold_buffers(bytes <= request_memory::uncounted ? 0 : (bytes + step - 1) / step * step);
}

bool stream_socket::must_pause() const
{
    if (closing_) return false;      // to see the client's close frame
    return app_.stopping.load(std::memory_order_relaxed) || outgoing() > much_to_send || in_flight_bytes_ > much_in_flight;
}

bool stream_socket::handle_at_once(std::string_view text)
{
    memory_.emplace(first_memory_.data(), first_memory_.size(), boost::json::storage_ptr(&counted_));
    frame_ = {};
    batch_.clear();
    frame_bytes_ = text.size();
    const auto parse = [&]() -> result<boost::json::value> {
        try {
            return parse_json(text, {}, boost::json::storage_ptr(&*memory_));
        } catch (const std::bad_alloc&) {
            return no_room_for_body(counted_.was_too_large(), app_.limits);
        }
    };
    auto value = parse();
    if (!value) {
        if (value.error().code != errc::malformed_json || is_utf8(text)) {
            reject("null", value.error());
        } else {
            close(close_code::not_utf8, "text must be UTF-8");
        }
        return true;
    }
    parsed_.emplace(std::move(*value));
    const auto* given = parsed_->if_object();
    if (!given) {
        reject("null", {errc::malformed_json, "The frame is JSON, but not an object: send { ... }."});
        return true;
    }
    read_stream_frame(*given, batch_.errors, frame_);
    refuse_nul(*given, text, batch_.errors);
    if (frame_.op == stream_op::submit) return submit_at_once();
    if (batch_.errors.empty()) return false;
    reject(frame_.id, std::move(batch_.errors).take("The frame"));
    return true;
}

bool stream_socket::submit_at_once()
{
    if (!permits(caller_.who.granted, permission::operate)) {
        reject(frame_.id, missing_permission(caller_.who.granted));
        return true;
    }
    if (in_flight_ >= app_.options.max_in_flight) {
        reject(frame_.id, {errc::rate_limited, fmt::format("{} submissions of this connection wait for their answers, as many as it may have. Send more as they come.", in_flight_), {}, 1s});
        return true;
    }
    // What is committed is held by the runtime meanwhile.
    if (!count_memory(frame_bytes_)) {
        reject(frame_.id, no_room_for_body(false, app_.limits));
        return true;
    }
    read_submissions(parsed_->get_object().if_contains("executions"), batch_.errors, batch_.items);
    batch_.key = frame_.idempotency_key;
    auto request = prepare_at_once(scope(), batch_);
    if (request) submit(std::move(*request));
    return request.has_value();
}

runtime::awaitable<void> stream_socket::finish_frame()
{
    switch (frame_.op) {
    case stream_op::submit: co_await finish_submit(); break;
    case stream_op::subscribe: co_await subscribe(); break;
    case stream_op::unsubscribe:
        if (const auto ended = subscriptions_.remove(frame_.id); !ended) reject(frame_.id, ended.error());
        break;
    case stream_op::none: break;
    }
}

runtime::awaitable<void> stream_socket::subscribe()
{
    const auto begun = co_await subscriptions_.add(frame_.id, caller_.who.tenant, std::move(frame_.targets));
    if (!begun) {
        reject(frame_.id, begun.error());
    } else if (!std::exchange(telling_, true)) {
        children_.spawn(tell());
    }
}

runtime::awaitable<void> stream_socket::tell()
{
    auto& follower = *subscriptions_.follower();
    while (!lost_ && !closing_) {
        const auto mail = co_await follower.take();
        if (follower.cut_off()) {
            cut_off();
            co_return;
        }
        if (!mail.empty() && runtime::steady_clock::now() - checked_at_ >= believed_for && !co_await check_caller()) co_return;
        for (const auto& each : mail) {
            const auto id = subscriptions_.id_of(each.token);
            if (id.empty()) continue;
            scratch_.clear();
            append_event(scratch_, id, each);
            send(scratch_);
            http_figures::add(app_.figures.stream_events, std::uint64_t{1});
            if (outgoing() <= most_to_send) continue;
            cut_off();
            co_return;
        }
        follower.set_backlog(outgoing());
    }
}

runtime::awaitable<void> stream_socket::finish_submit()
{
    auto prepared = co_await prepare(scope(), batch_);
    if (!prepared) {
        reject(frame_.id, prepared.error());
    } else if (!prepared->replayed.empty()) {
        scratch_.clear();
        append_accepted(scratch_, frame_.id, prepared->replayed);
        send(scratch_);
    } else {
        submit(std::move(prepared->request));
    }
}

void stream_socket::submit(runtime::submit_request request)
{
    ++in_flight_;
    in_flight_bytes_ += frame_bytes_;
    app_.instance.submit(std::move(request), std::make_unique<answer_waiter>(*this, runtime::core::of(connection_.executor())));
}

void stream_socket::answered(const answer_waiter& one, runtime::submit_answer answer)
{
    --in_flight_;
    in_flight_bytes_ -= one.bytes;
    count_memory();
    if (in_flight_ == 0) all_answered_.ring();
    go_on_reading_.ring();
    if (!answer) {
        reject(one.id, as_error_of_batch(std::move(answer).error(), one.has_key));
        return;
    }
    scratch_.clear();
    append_accepted(scratch_, one.id, *answer);
    send(scratch_);
}

runtime::awaitable<bool> stream_socket::check_caller()
{
    const auto asked_at = runtime::steady_clock::now();
    const authenticator::credentials given{caller_.authorization, caller_.tenant};
    // Apart, because frames are acted on meanwhile.
    principal now;
    result<void> answer;
    if (!app_.callers.identify_at_once(given, permission::read, now, answer)) answer = co_await app_.callers.identify(given, permission::read, now);
    if (!answer && (answer.error().code == errc::unauthenticated || answer.error().code == errc::forbidden)) {
        close(close_code::policy, "the token is not valid any more");
        co_return false;
    }
    // Where the database cannot be asked, nothing can be submitted or read either.
    if (answer) {
        checked_at_ = asked_at;
        caller_.who = std::move(now);
    }
    co_return !closing_ && !lost_;
}

void stream_socket::send(opcode what, std::string_view payload)
{
    if (closing_ || lost_) return;
    websocket::append_frame(pending_, what, payload);
    something_to_send_.ring();
}

void stream_socket::reject(std::string_view id, const error& why)
{
    scratch_.clear();
    append_rejected(scratch_, id, why);
    send(scratch_);
}

void stream_socket::close(close_code why, std::string_view reason)
{
    if (closing_ || lost_) return;
    websocket::append_close(pending_, why, reason);
    closing_ = true;
    close_by_ = runtime::steady_clock::now() + close_time;
    wake_all();
}

void stream_socket::cut_off()
{
    if (closing_ || lost_) return;
    http_figures::add(app_.figures.streams_cut_off, std::uint64_t{1});
    pending_.clear();
    close(close_code::try_again_later, "what was subscribed to comes faster than it is read: connect again, and subscribe to less");
}

void stream_socket::wake_all()
{
    something_to_send_.ring();
    go_on_reading_.ring();
    if (subscriptions_.follower()) runtime::change_follower::wake(subscriptions_.follower());
}

void stream_socket::lose()
{
    if (std::exchange(lost_, true)) return;
    connection_.abort();
    wake_all();
}

runtime::awaitable<void> stream_socket::write()
{
    while (!lost_) {
        if (pending_.empty()) {
            if (closing_) co_return;
            co_await something_to_send_.wait();
            continue;
        }
        // What has gathered goes out together.
        connection_.output().swap(pending_);
        sending_ = connection_.output().size();
        const bool sent = co_await connection_.flush();
        sending_ = 0;
        if (!sent) lose();
        go_on_reading_.ring();
        if (subscriptions_.follower()) subscriptions_.follower()->set_backlog(outgoing());
        if (scratch_.capacity() > memory_kept) std::string().swap(scratch_);
    }
}

void stream_socket::look(runtime::deadline now)
{
    if (lost_) return;
    if (closing_) {
        if (now >= close_by_) lose();
        return;
    }
    if (app_.stopping.load(std::memory_order_relaxed)) {
        // Who is in the middle of a frame keeps it: it was not acted on.
        if (in_flight_ == 0) close(close_code::going_away, "the server stops");
        return;
    }
    if (message_began_ && now >= transfer_deadline(*message_began_, connection_.received().size() + messages_.kept())) {
        close(close_code::policy, "the message did not arrive in time");
        return;
    }
    // Who is not read cannot give a sign of life; whether he takes what is sent is watched over by its deadline.
    if (must_pause()) {
        received_at_ = now;
    } else if (now - received_at_ >= app_.options.idle_timeout) {
        lose();
    } else if (!pinged_ && now - received_at_ >= app_.options.idle_timeout / pings_per_idle_timeout) {
        pinged_ = true;
        send(opcode::ping, "");
    }
}

// GET /v1/stream: 101, 400, 426, 503.
runtime::awaitable<response> open_stream(request_context& rq)
{
    const auto asked = websocket::read_upgrade(rq.rq);
    if (!asked) co_return rq.refuse(asked.error());
    if (rq.stopping()) co_return rq.refuse({errc::stopping, "The server is stopping. Try again.", {}, 1s});
    share place(rq.app.limits.streams);
    if (!place.resize(1)) co_return rq.refuse(too_many_streams(rq.app.limits));
    rq.hold();
    auto switched = rq.reply(101);
    switched.sent = true;
    connection& taken = rq.take_over();
    websocket::append_switching(taken.output(), *asked, rq.request_id);
    stream_caller caller{rq.caller, rq.authorization, std::string(rq.rq.header("X-Rowlock-Tenant").value_or("")), rq.trace_parent};
    const auto one = std::make_unique<stream_socket>(rq.app, taken, std::move(caller));
    if (co_await taken.flush()) co_await one->run();
    co_return switched;
}

}
