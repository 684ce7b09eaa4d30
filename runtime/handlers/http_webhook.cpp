#include "runtime/handlers/http_webhook.hpp"

#include "runtime/async/bell.hpp"
#include "runtime/handlers/http_reply.hpp"
#include "runtime/handlers/http_sender.hpp"
#include "runtime/handlers/http_stop.hpp"

#include <boost/asio/this_coro.hpp>
#include <utility>

namespace rowlock::runtime {

namespace {

constexpr std::chrono::milliseconds database_pause{250};

// What ends a wait for a bell.
struct rings {
    bell& what;
    void cancel() { what.ring(); }
};

outcome outcome_of(const callback_report& report)
{
    auto body = as_object(report.body.empty() ? "{}" : report.body);
    return reported(report.status == execution_status::completed, body ? std::move(*body) : boost::json::object());
}

}

// Shared with the function that hears, which may be called once more after its attempt has gone.
struct http_webhook::reports {
    explicit reports(const io_executor& executor) : news(executor) {}

    bell news;
    bool heard = false;                              // something, since it was last looked
    std::optional<double> progress;
    std::optional<callback_report> end;

    void take(callback_report report)
    {
        heard = true;
        if (report.progress) progress = report.progress;
        if (report.status != execution_status::running && !end) end = std::move(report);
        news.ring();
    }
};

http_webhook::http_webhook(attempt& a, const callback_functions& callbacks) : attempt_(a), callbacks_(callbacks) {}

http_webhook::~http_webhook()
{
    if (!open_) return;
    if (attempt_.stopped() == stop_reason::none || ends_the_work(attempt_.stopped())) callbacks_.close(attempt_.work().id);
    else callbacks_.leave(attempt_.work().id);
}

awaitable<attempted<callback_address>> http_webhook::open()
{
    reports_ = std::make_shared<reports>(co_await boost::asio::this_coro::executor);
    const auto hear = [weak = std::weak_ptr(reports_)](callback_report report) {
        if (const auto still = weak.lock()) still->take(std::move(report));
    };
    for (;;) {
        auto line = co_await callbacks_.open(attempt_.work(), hear);
        if (line) {
            open_ = true;
            if (line->ended) reports_->take(std::move(*line->ended));
            co_return std::move(line->address);
        }
        if (line.error().code == errc::internal) co_return failure("HANDLER_FAILED", "no callback could be arranged: " + line.error().detail);
        if (!co_await wait_until(interruption(attempt_), steady_clock::now() + database_pause)) co_return failure("CANCELLED", "the attempt was stopped");
    }
}

bool http_webhook::has_ended() const
{
    return reports_->end.has_value();
}

awaitable<std::optional<outcome>> http_webhook::await_end()
{
    const interruption by(attempt_);
    for (;;) {
        if (std::exchange(reports_->heard, false)) {
            attempt_.records().heartbeat();
            if (const auto progress = std::exchange(reports_->progress, std::nullopt)) attempt_.records().progress(*progress);
        }
        if (reports_->end) co_return outcome_of(*reports_->end);
        if (by.came()) co_return std::nullopt;
        rings stop{reports_->news};
        const interruption::of_wait<rings> while_waiting(by, stop);
        co_await reports_->news.wait();
        co_await end_if_cancelled();
    }
}

}
