#include "tests/support/stub_http.hpp"

#include "runtime/async/types.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <mutex>
#include <thread>

namespace rowlock::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using message = http::request<http::string_body>;

struct stub_http::state {
    explicit state(answerer f) : answer(std::move(f)) {}

    void accept();

    answerer answer;
    asio::io_context context{1};
    runtime::tcp_acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};
    mutable std::mutex mutex;
    std::vector<stub_request> requests;
    std::size_t connections = 0;
    std::thread thread;
};

namespace {

std::string field_of(const message& from, const char* name)
{
    return std::string{from[name]};
}

// One connection: reads, answers, and starts again until the client goes. Lives in its own handlers.
class connection : public std::enable_shared_from_this<connection> {
public:
    connection(runtime::tcp_socket socket, std::function<stub_reply(stub_request)> answer) : socket_(std::move(socket)), answer_(std::move(answer)) {}

    void read()
    {
        request_ = {};
        http::async_read(socket_, buffer_, request_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->reply();
        });
    }

private:
    void reply()
    {
        const stub_reply answer = answer_({std::string{request_.method_string()}, std::string{request_.target()}, field_of(request_, "Authorization"),
                                           field_of(request_, "X-Rowlock-Tenant"), field_of(request_, "Idempotency-Key"), request_.body()});
        if (answer.silent) return;
        reply_ = {};
        reply_.result(static_cast<unsigned>(answer.status));
        reply_.version(11);
        reply_.keep_alive(true);
        reply_.set(http::field::content_type, answer.content_type);
        if (!answer.retry_after.empty()) reply_.set(http::field::retry_after, answer.retry_after);
        if (!answer.location.empty()) reply_.set(http::field::location, answer.location);
        reply_.body() = answer.body;
        reply_.prepare_payload();
        http::async_write(socket_, reply_, [self = shared_from_this(), close = answer.close](error_code ec, std::size_t) {
            if (!ec && !close) self->read();
        });
    }

    runtime::tcp_socket socket_;
    std::function<stub_reply(stub_request)> answer_;
    beast::flat_buffer buffer_;
    message request_;
    http::response<http::string_body> reply_;
};

}

void stub_http::state::accept()
{
    acceptor.async_accept([this](error_code ec, runtime::tcp_socket socket) {
        if (ec) return;
        {
            const std::lock_guard lock(mutex);
            ++connections;
        }
        const auto remember_and_answer = [this](const stub_request& request) {
            {
                const std::lock_guard lock(mutex);
                requests.push_back(request);
            }
            return answer(request);
        };
        std::make_shared<connection>(std::move(socket), remember_and_answer)->read();
        accept();
    });
}

stub_http::stub_http(answerer answer) : state_(std::make_unique<state>(std::move(answer)))
{
    state_->accept();
    state_->thread = std::thread([s = state_.get()] { s->context.run(); });
}

stub_http::~stub_http()
{
    state_->context.stop();
    state_->thread.join();
}

std::string stub_http::url() const
{
    return "http://127.0.0.1:" + std::to_string(state_->acceptor.local_endpoint().port());
}

std::vector<stub_request> stub_http::requests() const
{
    const std::lock_guard lock(state_->mutex);
    return state_->requests;
}

std::size_t stub_http::connections() const
{
    const std::lock_guard lock(state_->mutex);
    return state_->connections;
}

}
