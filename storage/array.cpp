#include "storage/array.hpp"

#include <limits>

namespace rowlock::storage {

namespace {

// dimensions, has nulls, element type, length, lower bound: 5 integers of 4 bytes.
constexpr std::size_t header_bytes = 20;
// A null is a length and nothing else.
constexpr std::uint32_t null_length = 0xffffffff;
constexpr std::size_t null_bytes = 4;
// PostgreSQL counts microseconds from 2000-01-01.
constexpr std::int64_t epoch_2000 = 946'684'800'000'000;

void write32(char* out, std::uint32_t value)
{
    out[0] = static_cast<char>(value >> 24);
    out[1] = static_cast<char>(value >> 16);
    out[2] = static_cast<char>(value >> 8);
    out[3] = static_cast<char>(value);
}

}

array::array(element type) : type_(type), bytes_(header_bytes, '\0') {}

void array::clear()
{
    bytes_.resize(header_bytes);
    count_ = 0;
    nulls_ = 0;
    last_nulls_ = 0;
}

void array::put32(std::uint32_t value)
{
    char out[4];
    write32(out, value);
    bytes_.append(out, 4);
}

void array::put64(std::uint64_t value)
{
    put32(static_cast<std::uint32_t>(value >> 32));
    put32(static_cast<std::uint32_t>(value));
}

void array::length(std::uint32_t bytes)
{
    ++count_;
    last_nulls_ = 0;
    put32(bytes);
}

void array::add(std::int16_t value)
{
    length(2);
    bytes_.push_back(static_cast<char>(static_cast<std::uint16_t>(value) >> 8));
    bytes_.push_back(static_cast<char>(value));
}

void array::add(std::int32_t value)
{
    length(4);
    put32(static_cast<std::uint32_t>(value));
}

void array::add(std::int64_t value)
{
    length(8);
    put64(static_cast<std::uint64_t>(value));
}

void array::add(std::string_view value)
{
    length(static_cast<std::uint32_t>(value.size()));
    bytes_.append(value);
}

void array::add(const execution_id& value)
{
    length(16);
    bytes_.append(reinterpret_cast<const char*>(value.value.bytes.data()), 16);
}

void array::add(timestamp value)
{
    add(static_cast<std::int64_t>(value.time_since_epoch().count()) - epoch_2000);
}

void array::add_null()
{
    const std::int32_t before = last_nulls_;
    length(null_length);
    ++nulls_;
    last_nulls_ = before + 1;
}

void array::add_infinity(bool negative)
{
    add(negative ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max());
}

pqxx::binarystring array::first(std::int32_t count, std::size_t bytes, bool nulls)
{
    char* out = bytes_.data();
    write32(out, 1);
    write32(out + 4, nulls ? 1 : 0);
    write32(out + 8, static_cast<std::uint32_t>(type_));
    write32(out + 12, static_cast<std::uint32_t>(count));
    write32(out + 16, 1);
    return pqxx::binarystring(bytes_.data(), bytes);
}

pqxx::binarystring array::parameter()
{
    return first(count_, bytes_.size(), nulls_ > 0);
}

pqxx::binarystring array::column()
{
    return first(count_ - last_nulls_, bytes_.size() - null_bytes * static_cast<std::size_t>(last_nulls_), nulls_ > last_nulls_);
}

}
