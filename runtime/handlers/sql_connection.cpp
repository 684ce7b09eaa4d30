#include "runtime/handlers/sql_connection.hpp"

#include "runtime/handlers/http_sender.hpp"
#include "runtime/handlers/readable.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <charconv>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <openssl/ssl.h>

namespace rowlock::runtime {

namespace {

constexpr std::size_t most_notice_bytes = 64u << 10;
constexpr std::size_t most_message_bytes = 2000;
constexpr std::size_t most_addresses = 8;            // of one name

using result_ptr = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string_view field(const PGresult& r, int which)
{
    const char* text = PQresultErrorField(&r, which);
    return text == nullptr ? std::string_view() : std::string_view(text);
}

std::string one_line(std::string_view text)
{
    std::string out(text);
    while (!out.empty() && out.back() == '\n') out.pop_back();
    std::replace(out.begin(), out.end(), '\n', ' ');
    return out;
}

void append_sentence(std::string& out, std::string_view label, std::string_view text)
{
    if (text.empty()) return;
    if (!out.empty()) out += ' ';
    out += label;
    out += text;
}

std::string message_of(const PGresult& r)
{
    std::string out;
    append_sentence(out, "", field(r, PG_DIAG_MESSAGE_PRIMARY));
    append_sentence(out, "Detail: ", field(r, PG_DIAG_MESSAGE_DETAIL));
    append_sentence(out, "Hint: ", field(r, PG_DIAG_MESSAGE_HINT));
    append_sentence(out, "At character ", field(r, PG_DIAG_STATEMENT_POSITION));
    // What libpq itself finds wrong has no fields.
    if (out.empty()) out = one_line(PQresultErrorMessage(&r));
    return out;
}

void note(void* into, const PGresult* notice)
{
    auto& notices = *static_cast<std::string*>(into);
    if (notices.size() > most_notice_bytes) return;
    notices += fmt::format("{}: {}\n", field(*notice, PG_DIAG_SEVERITY_NONLOCALIZED), field(*notice, PG_DIAG_MESSAGE_PRIMARY));
}

void ignore(void*, const PGresult*) {}

}

// Shared with the handlers of waits, which may come after the wait, or the connection, is over.
struct sql_connection::wake {
    explicit wake(io_executor executor) : timer(executor, no_deadline) {}

    steady_timer timer;
    std::uint64_t turn = 0;
    bool ready = false;
    bool interrupted = false;
};

sql_connection::sql_connection(io_executor executor, const sql_address& to, sql_session kept)
    : executor_(executor), to_(to), session_(std::move(kept)), socket_(executor), wake_(std::make_shared<wake>(executor))
{
    if (!session_) return;
    PQsetNoticeReceiver(session_.get(), note, &notices_);
    watch();
}

sql_connection::~sql_connection()
{
    close();
}

void sql_connection::close()
{
    forget();
    session_.reset();
}

// The descriptor stays libpq's: it is watched, never closed here.
void sql_connection::watch()
{
    boost::system::error_code ec;
    socket_.assign(PQsocket(session_.get()), ec);
}

void sql_connection::forget()
{
    if (socket_.is_open()) socket_.release();
}

sql_session sql_connection::release()
{
    forget();
    if (session_ && (PQstatus(session_.get()) != CONNECTION_OK || PQtransactionStatus(session_.get()) != PQTRANS_IDLE)) session_.reset();
    if (session_) PQsetNoticeReceiver(session_.get(), ignore, nullptr);
    return std::move(session_);
}

void sql_connection::interrupt()
{
    wake_->interrupted = true;
    wake_->timer.cancel();
    if (looking_ != nullptr) looking_->cancel();
}

std::shared_ptr<pg_cancel> sql_connection::cancel_handle() const
{
    if (!session_) return nullptr;
    return {PQgetCancel(session_.get()), [](pg_cancel* handle) { PQfreeCancel(handle); }};
}

std::string sql_connection::take_notices()
{
    return readable(to_.scrubbed(std::exchange(notices_, {})), most_notice_bytes);
}

failure sql_connection::connection_failed(std::string_view why) const
{
    return {"CONNECTION_FAILED", fmt::format("the connection {}: {}", to_.name(), readable(to_.scrubbed(one_line(why)), most_message_bytes))};
}

awaitable<sql_connection::woken> sql_connection::wait(descriptor::wait_type what, deadline until)
{
    const auto shared = wake_;
    const auto turn = ++shared->turn;
    shared->ready = false;
    if (!shared->interrupted) {
        shared->timer.expires_at(until);
        socket_.async_wait(what, [shared, turn](const boost::system::error_code& ec) {
            // That of an earlier wait, which was given up, says nothing about this one.
            if (ec || turn != shared->turn) return;
            shared->ready = true;
            shared->timer.cancel();
        });
        boost::system::error_code ec;
        co_await shared->timer.async_wait(boost::asio::redirect_error(use_awaitable, ec));
        ++shared->turn;
        co_await end_if_cancelled();
    }
    if (shared->ready) co_return woken::ready;
    if (socket_.is_open()) socket_.cancel();
    co_return std::exchange(shared->interrupted, false) ? woken::interrupted : woken::late;
}

awaitable<attempted<std::vector<sql_address::host>>> sql_connection::look_up(sql_address::host host, deadline until)
{
    std::vector<sql_address::host> found{host};
    if (!host.needs_lookup) co_return found;
    name_lookup lookup(executor_);
    looking_ = &lookup;
    if (wake_->interrupted) lookup.cancel();
    auto addresses = co_await lookup.find(host.name, until);
    looking_ = nullptr;
    co_await end_if_cancelled();
    if (!addresses) co_return connection_failed(addresses.error().message);
    found.clear();
    for (const auto& address : *addresses) {
        if (found.size() == most_addresses) break;
        auto& one = found.emplace_back(host);
        one.address = address.to_string();
    }
    co_return found;
}

awaitable<attempted<void>> sql_connection::open(deadline until)
{
    close();
    failure why = connection_failed("it names no host");
    for (const auto& session_attrs : to_.passes()) {
        for (const auto& host : to_.hosts()) {
            const auto by = std::min(until, steady_clock::now() + to_.connect_timeout());
            const auto addresses = co_await look_up(host, by);
            if (!addresses) why = addresses.error();
            if (!addresses) continue;
            for (const auto& each : *addresses) {
                auto open = co_await open_at(each, session_attrs, std::min(until, steady_clock::now() + to_.connect_timeout()));
                if (open) co_return open;
                why = open.error();
                if (wake_->interrupted) co_return why;
            }
        }
    }
    co_return why;
}

awaitable<attempted<void>> sql_connection::open_at(sql_address::host at, std::string session_attrs, deadline until)
{
    const auto parameters = to_.parameters(at, session_attrs);
    std::vector<const char*> keywords;
    std::vector<const char*> values;
    for (const auto& [keyword, value] : parameters) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    session_.reset(PQconnectStartParams(keywords.data(), values.data(), 0));
    if (!session_) throw std::bad_alloc();
    PQsetNoticeReceiver(session_.get(), note, &notices_);
    auto what = descriptor::wait_write;
    while (PQstatus(session_.get()) != CONNECTION_BAD) {
        // Between two steps libpq may have gone on with another socket.
        watch();
        const auto woke = co_await wait(what, until);
        forget();
        if (woke != woken::ready) {
            close();
            // Kept for who asks whether to go on.
            wake_->interrupted = woke == woken::interrupted;
            co_return connection_failed(woke == woken::late ? "no answer in time" : "the attempt was stopped before it was open");
        }
        switch (PQconnectPoll(session_.get())) {
        case PGRES_POLLING_READING: what = descriptor::wait_read; break;
        case PGRES_POLLING_WRITING: what = descriptor::wait_write; break;
        case PGRES_POLLING_ACTIVE: break;
        case PGRES_POLLING_OK:
            PQsetnonblocking(session_.get(), 1);
            watch();
            co_return attempted<void>();
        case PGRES_POLLING_FAILED: {
            auto why = connection_failed(PQerrorMessage(session_.get()));
            close();
            co_return why;
        }
        }
    }
    auto why = connection_failed(PQerrorMessage(session_.get()));
    close();
    co_return why;
}

// Takes in what has arrived. What OpenSSL has decrypted and libpq had no room for does not make the socket readable again.
bool sql_connection::receive()
{
    auto* session = session_.get();
    auto* tls = static_cast<SSL*>(PQsslStruct(session, "OpenSSL"));
    do {
        if (PQconsumeInput(session) == 0) return false;
    } while (tls != nullptr && PQisBusy(session) != 0 && SSL_pending(tls) > 0);
    return true;
}

sql_answer sql_connection::lost()
{
    const auto why = answer_.end == sql_end::refused ? answer_.why.message : one_line(PQerrorMessage(session_.get()));
    close();
    return {sql_end::lost, 0, connection_failed(why)};
}

awaitable<sql_answer> sql_connection::run(std::string statement, std::vector<sql_bind> binds, sql_rows& rows, deadline until)
{
    answer_ = {sql_end::done, 0, {}};
    std::vector<Oid> types;
    std::vector<const char*> values;
    for (const auto& bind : binds) {
        types.push_back(bind.type);
        values.push_back(bind.text ? bind.text->c_str() : nullptr);
    }
    auto* session = session_.get();
    if (PQsendQueryParams(session, statement.c_str(), static_cast<int>(binds.size()), types.data(), values.data(), nullptr, nullptr, 0) == 0) co_return lost();
    // Row by row: what is not kept of a large result is never held.
    PQsetSingleRowMode(session);
    flushing_ = true;
    co_return co_await await_end(rows, until);
}

awaitable<sql_answer> sql_connection::await_end(sql_rows& rows, deadline until)
{
    auto* session = session_.get();
    for (;;) {
        if (flushing_) {
            const int left = PQflush(session);
            if (left < 0) co_return lost();
            flushing_ = left > 0;
        }
        while (!flushing_ && PQisBusy(session) == 0) {
            const result_ptr part(PQgetResult(session), &PQclear);
            if (!part) co_return PQstatus(session) == CONNECTION_OK ? std::exchange(answer_, {}) : lost();
            const auto kind = PQresultStatus(part.get());
            if (kind == PGRES_COPY_IN || kind == PGRES_COPY_OUT || kind == PGRES_COPY_BOTH) {
                // libpq would go on with the copy for ever, and the server waits for it: to close is the only way out.
                close();
                co_return sql_answer{sql_end::refused, 0, {"INVALID_CONFIG", "COPY from or to the client is not what a sql job can do; use a file of the server's, or a query"}};
            }
            take(*part, rows);
        }
        // While the statement is being sent, the server answers nothing that could fill up the way back.
        const auto woke = co_await wait(flushing_ ? descriptor::wait_write : descriptor::wait_read, until);
        if (woke != woken::ready) co_return sql_answer{woke == woken::late ? sql_end::late : sql_end::interrupted, 0, {}};
        if (!flushing_ && !receive()) co_return lost();
    }
}

void sql_connection::take(const pg_result& part, sql_rows& rows)
{
    switch (PQresultStatus(&part)) {
    case PGRES_SINGLE_TUPLE: rows.add(part, 0); return;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK: {
        // How many rows were changed or returned; what has no such number, as CALL, has the rows that came.
        const std::string_view count = PQcmdTuples(const_cast<pg_result*>(&part));
        answer_.row_count = rows.seen();
        std::from_chars(count.data(), count.data() + count.size(), answer_.row_count);
        return;
    }
    case PGRES_EMPTY_QUERY:
        answer_.end = sql_end::refused;
        answer_.why = {"INVALID_CONFIG", "the statement is empty"};
        return;
    default: {
        const auto state = field(part, PG_DIAG_SQLSTATE);
        answer_.end = sql_end::refused;
        answer_.why = {state.empty() ? std::string("CONNECTION_FAILED") : fmt::format("SQL_{}", state), readable(to_.scrubbed(message_of(part)), most_message_bytes)};
        return;
    }
    }
}

}
