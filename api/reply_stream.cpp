#include "api/reply_stream.hpp"

namespace rowlock::api {

runtime::awaitable<bool> reply_stream::begin(std::string_view content_type)
{
    begun_ = true;
    if (frame_.http_1_0) frame_.keep_alive = false;
    append_stream_head(connection_.output(), 200, content_type, frame_);
    broken_ = !co_await connection_.flush();
    co_return !broken_;
}

runtime::awaitable<bool> reply_stream::write(std::string_view part)
{
    if (broken_) co_return false;
    if (part.empty() || frame_.head) co_return true;
    if (frame_.http_1_0) {
        connection_.output().append(part);
    } else {
        append_chunk(connection_.output(), part);
    }
    broken_ = !co_await connection_.flush();
    co_return !broken_;
}

runtime::awaitable<bool> reply_stream::end()
{
    if (broken_) co_return false;
    if (!frame_.http_1_0 && !frame_.head) connection_.output().append(last_chunk);
    broken_ = !co_await connection_.flush();
    co_return !broken_;
}

}
