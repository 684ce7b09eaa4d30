#include "runtime/handlers/process_attempt.hpp"

#include "runtime/handlers/run_directory.hpp"
#include "runtime/handlers/stopped.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <csignal>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

constexpr std::size_t piece_bytes = 32u << 10;
// What is read of each pipe once the leader has exited: more than a pipe can hold, so all that the leader wrote. A process
// that has left the group may hold the pipe open, and even go on writing; it is not waited for.
constexpr std::size_t most_after_exit = 2u << 20;
constexpr std::size_t last_words_bytes = 2048;
constexpr std::size_t quoted_bytes = 400;

std::string_view last_line(std::string_view text)
{
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
    const auto newline = text.rfind('\n');
    return newline == std::string_view::npos ? text : text.substr(newline + 1);
}

// A line holds the largest checkpoint that is allowed, in base64; somewhat larger ones still come so far that their refusal is recorded.
fd3_limits limits_for(const checkpoint_policy& policy)
{
    fd3_limits limits;
    limits.line_bytes = std::max(limits.line_bytes, static_cast<std::size_t>(policy.max_bytes) * 3 / 2);
    return limits;
}

std::string text_of(const boost::json::object& object)
{
    std::string text;
    if (!object.empty()) append_text(text, object);
    return text;
}

}

process_attempt::process_attempt(io_executor executor, attempt& a, process_watch watch)
    : attempt_(a),
      program_(std::move(watch.program)),
      exit_(executor, program_.exit.release()),
      out_(executor, watch.out.release()),
      err_(executor, watch.err.release()),
      protocol_pipe_(executor, watch.protocol.release()),
      run_directory_(std::move(watch.run_directory)),
      output_left_(watch.output_limit),
      output_limit_(watch.output_limit),
      grace_(watch.grace),
      cpu_limited_(watch.cpu_limited),
      readers_(executor),
      grace_timer_(executor, no_deadline),
      protocol_(limits_for(a.work().job->definition.checkpoint))
{
}

awaitable<outcome> process_attempt::run()
{
    namespace asio = boost::asio;
    co_await asio::this_coro::throw_if_cancelled(false);
    readers_.spawn(keep_output(out_, log_stream::out));
    readers_.spawn(keep_output(err_, log_stream::err));
    readers_.spawn(follow_protocol());
    readers_.spawn(enforce_grace());
    attempt_.on_stop([this] { stop(); });

    boost::system::error_code ec;
    co_await exit_.async_wait(descriptor::wait_read, asio::redirect_error(use_awaitable, ec));
    const bool cancelled = bool(ec);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    while (ec) {
        kill_now();
        co_await exit_.async_wait(descriptor::wait_read, asio::redirect_error(use_awaitable, ec));
    }
    attempt_.on_stop({});
    exited_ = true;

    // The leader is not reaped yet, so the group's id is still its own: whatever is left of it goes now.
    signal_group(program_, SIGKILL);
    const auto how = reap(program_);
    out_.cancel();
    err_.cancel();
    protocol_pipe_.cancel();
    grace_timer_.cancel();
    co_await readers_.join();

    if (broken_) std::rethrow_exception(broken_);
    if (cancelled) throw boost::system::system_error(asio::error::operation_aborted);
    co_return concluded(how);
}

// Fills `buffer` with what the pipe holds, waiting for it as long as the leader runs. False: there will be no more.
awaitable<bool> process_attempt::next_piece(descriptor& from, std::string& buffer, std::size_t& after_exit)
{
    for (;;) {
        // To wait before every read, rather than only when there is nothing, lets the core's other work have its turn.
        if (!exited_) {
            boost::system::error_code ignored;           // cancelled when the leader has exited
            co_await from.async_wait(descriptor::wait_read, boost::asio::redirect_error(use_awaitable, ignored));
        }
        const bool last_look = exited_;
        buffer.resize(piece_bytes);
        const auto n = ::read(from.native_handle(), buffer.data(), buffer.size());
        if (n < 0 && (errno == EINTR || (errno == EAGAIN && !last_look))) continue;
        if (n <= 0) co_return false;
        buffer.resize(static_cast<std::size_t>(n));
        if (last_look) after_exit += buffer.size();
        co_return after_exit <= most_after_exit;
    }
}

awaitable<void> process_attempt::keep_output(descriptor& from, log_stream stream)
{
    std::string buffer;
    std::size_t after_exit = 0;
    readable_stream text;
    try {
        while (co_await next_piece(from, buffer, after_exit)) co_await keep_piece(buffer, stream, text);
        if (auto rest = text.finish(); !rest.empty()) co_await attempt_.records().log(stream, std::move(rest));
    } catch (...) {
        records_failed();
    }
}

awaitable<void> process_attempt::keep_piece(std::string_view bytes, log_stream stream, readable_stream& text)
{
    if (stream == log_stream::err) {
        last_words_ += bytes;
        if (last_words_.size() > last_words_bytes) last_words_.erase(0, last_words_.size() - last_words_bytes);
    }
    const auto kept = std::min(static_cast<std::int64_t>(bytes.size()), output_left_);
    const bool cut = kept < static_cast<std::int64_t>(bytes.size());
    output_left_ -= kept;
    if (auto readable = text.feed(bytes.substr(0, static_cast<std::size_t>(kept))); !readable.empty()) {
        co_await attempt_.records().log(stream, std::move(readable));
    }
    if (cut && !std::exchange(output_cut_, true)) {
        co_await note(fmt::format("stdout and stderr together are over the limit of {} bytes (handler.output_limit_bytes): the rest is dropped", output_limit_));
    }
}

awaitable<void> process_attempt::follow_protocol()
{
    std::string buffer;
    std::size_t after_exit = 0;
    std::vector<fd3_event> events;
    try {
        for (bool more = true; more;) {
            more = co_await next_piece(protocol_pipe_, buffer, after_exit);
            if (more) protocol_.feed(buffer, events);
            else protocol_.finish(events);
            // One after the other: a later line may rely on what an earlier one made durable.
            for (auto& event : events) co_await act(std::move(event));
            events.clear();
        }
    } catch (...) {
        records_failed();
    }
}

awaitable<void> process_attempt::act(fd3_event event)
{
    const auto& records = attempt_.records();
    if (std::holds_alternative<fd3_heartbeat>(event)) {
        records.heartbeat();
    } else if (std::holds_alternative<fd3_report_line>(event)) {
        attempt_.alive();
    } else if (const auto* progress = std::get_if<fd3_progress>(&event)) {
        records.progress(progress->fraction);
    } else if (auto* made = std::get_if<checkpoint_data>(&event)) {
        const auto number = co_await records.checkpoint(std::move(*made));
        if (!number) co_await note("a checkpoint was not kept: " + number.error().detail);
    } else if (auto* file = std::get_if<fd3_artifact>(&event)) {
        attempt_.alive();
        co_await keep_artifact(std::move(file->name));
    } else if (auto* more = std::get_if<fd3_nodes>(&event)) {
        attempt_.alive();
        co_await add_nodes(std::move(more->nodes));
    } else {
        co_await note(std::move(std::get<fd3_complaint>(event).text));
    }
}

awaitable<void> process_attempt::keep_artifact(std::string name)
{
    auto sealed = co_await seal_artifact(run_directory_, name);
    if (!sealed) {
        co_await note(sealed.error().message);
        co_return;
    }
    const auto recorded = co_await attempt_.records().record_artifact(std::move(*sealed));
    if (recorded) co_return;
    auto why = fmt::format("the artifact {} was not recorded: {}", readable(name, quoted_bytes), recorded.error().detail);
    // The record of an earlier attempt no longer tells what lies in the file: that must not pass as success.
    if (recorded.error().code == errc::already_ended) conflict_ = why;
    co_await note(std::move(why));
}

awaitable<void> process_attempt::add_nodes(boost::json::array nodes)
{
    const auto n = nodes.size();
    const auto added = co_await attempt_.records().add_nodes(std::move(nodes));
    if (added) co_return;
    const auto& e = added.error();
    auto why = fmt::format("{} nodes were not added to the plan: {}", n, with_fields(e));
    switch (e.code) {
    case errc::already_ended: break;                 // the plan is being stopped: the job has done its part
    case errc::database_unavailable:
    case errc::overloaded:
    case errc::stopping:
    case errc::internal: unadded_ = {"HANDLER_FAILED", why}; break;
    // A plan that lacks what its job asked for must not pass as one that succeeded.
    default: unadded_ = invalid_config(why);
    }
    co_await note(std::move(why));
}

awaitable<void> process_attempt::note(std::string text)
{
    co_await attempt_.records().log(log_stream::system, readable(text, last_words_bytes) + "\n");
}

awaitable<void> process_attempt::enforce_grace()
{
    while (!exited_) {
        boost::system::error_code moved;
        co_await grace_timer_.async_wait(boost::asio::redirect_error(use_awaitable, moved));
        if (moved) continue;                         // stop() has set it, or the leader has exited
        if (!exited_) kill_now();
        co_return;
    }
}

void process_attempt::stop()
{
    // Somebody else may be running this already: every moment counts, and no outcome will be kept.
    if (attempt_.stopped() == stop_reason::lease_lost) return kill_now();
    signal_group(program_, SIGTERM);
    grace_timer_.expires_after(grace_);
}

void process_attempt::kill_now()
{
    forced_ = true;
    signal_group(program_, SIGKILL);
}

// Called in a catch: without its records the work must not go on, and with a reader gone it would come to a halt anyway.
void process_attempt::records_failed()
{
    if (!broken_) broken_ = std::current_exception();
    if (!exited_) kill_now();
}

outcome process_attempt::concluded(exit_status how) const
{
    const auto& report = protocol_.report();
    const auto stopped = attempt_.stopped();
    outcome o;
    if (stopped != stop_reason::none) o = stopped_outcome(stopped, forced_);
    if (how.signal == 0) o.exit_code = how.code;
    o.outputs = text_of(report.outputs);
    o.metrics = text_of(report.metrics);
    o.records_processed = report.records_processed;
    o.records_failed = report.records_failed;

    if (stopped != stop_reason::none) {
        o.error_code = report.error_code;
        o.error_message = report.error_message;
        return o;
    }
    auto why = why_failed(how);
    if (why.code.empty()) return o;
    o.status = execution_status::failed;
    o.error_code = report.error_code.empty() ? std::move(why.code) : report.error_code;
    o.error_message = report.error_message.empty() ? std::move(why.message) : report.error_message;
    return o;
}

// An empty code: it has not failed.
failure process_attempt::why_failed(exit_status how) const
{
    const auto& report = protocol_.report();
    const auto words = last_line(last_words_);
    const auto quoted = words.empty() ? std::string() : ": " + readable(words, quoted_bytes);
    if (how.signal == SIGXCPU && cpu_limited_) return {"RESOURCE_EXHAUSTED", "the program used up its CPU time (handler.cpu_limit)"};
    if (how.signal != 0) {
        const auto name = signal_name(how.signal);
        return {"SIGNAL_" + name, fmt::format("the program was ended by SIG{}{}", name, quoted)};
    }
    if (how.code != 0) return {fmt::format("EXIT_{}", how.code), fmt::format("the program exited with code {}{}", how.code, quoted)};
    if (!report.error_code.empty()) return {report.error_code, "the program named an error on file descriptor 3 and exited with code 0"};
    if (report.over_limit) return {"OUTPUT_LIMIT", "the program's outputs and metrics together are too large; write large results to files in ROWLOCK_RUN_DIR"};
    if (!unadded_.code.empty()) return unadded_;
    if (!conflict_.empty()) return {"STATE_CORRUPTION", conflict_};
    return {};
}

}
