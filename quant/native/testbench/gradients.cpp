// The backward passes against finite differences, in float32 without simulated rounding: for random
// directions of every parameter and of the input, the change of a random linear function of the output.
// Prints a line a check.

#include <cmath>
#include <cstdio>
#include <random>

#include "../block.hpp"
#include "../divergence.hpp"

using namespace accllm::quant;

namespace {

std::mt19937 random_bits(7);

std::vector<float> normal(size_t count, float scale, float mean = 0) {
  std::normal_distribution<float> distribution(mean, scale);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(random_bits);
  return values;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); i++) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

int checks = 0;
int failures = 0;

void expectClose(const char* what, double derivative, double difference, double size) {
  const bool good = std::fabs(derivative - difference) <= 2e-3 * size;
  checks++;
  failures += !good;
  std::printf("%s %s: derivative %.6g, difference %.6g\n", good ? "ok" : "FAIL", what, derivative,
              difference);
}

/** Compares `gradient` along a random direction with central differences of `loss` as `values` move along it.
 */
template <typename Loss>
void check(const char* what, std::vector<float>& values, const std::vector<float>& gradient,
           const Loss& loss) {
  const std::vector<float> direction = normal(values.size(), 1);
  const std::vector<float> start = values;
  const float epsilon = 2e-3f;
  const auto at = [&](float factor) {
    for (size_t i = 0; i < values.size(); i++) values[i] = start[i] + factor * direction[i];
    return loss();
  };
  const double difference = (at(epsilon) - at(-epsilon)) / (2 * epsilon);
  values = start;
  expectClose(what, dot(gradient, direction), difference, std::sqrt(dot(gradient, gradient)) + 1e-6);
}

void checkBlock() {
  const Shape shape{24, 40, 4, 2, 8, 1e-5f, true, {1, 0.3, 0.1, 0.02}};
  const Batch batch{3, 11};
  Pool pool(3);
  Block block(pool, shape);
  std::vector<float> matrix[matrices];
  std::vector<float> gradient[matrices];
  LayerWeights weights{};
  LayerGradients gradients{};
  for (int m = 0; m < matrices; m++) {
    matrix[m] = normal(static_cast<size_t>(shape.rows(m)) * shape.columns(m), 0.3f);
    gradient[m].assign(matrix[m].size(), 0);
    weights.matrix[m] = matrix[m].data();
    gradients.matrix[m] = gradient[m].data();
  }
  std::vector<float> bias[matrices];
  for (const int m : {Matrix::query, Matrix::key, Matrix::value, Matrix::output}) {
    bias[m] = normal(shape.rows(m), 0.5f);
    weights.bias[m] = bias[m].data();
  }
  std::vector<float> inputNorm = normal(shape.hidden, 0.2f, 1);
  std::vector<float> postNorm = normal(shape.hidden, 0.2f, 1);
  std::vector<float> dInputNorm(shape.hidden), dPostNorm(shape.hidden);
  weights.inputNorm = inputNorm.data();
  weights.postNorm = postNorm.data();
  gradients.inputNorm = dInputNorm.data();
  gradients.postNorm = dPostNorm.data();
  std::vector<float> x = normal(batch.tokens() * shape.hidden, 1);
  const std::vector<float> factors = normal(x.size(), 1);
  std::vector<float> y(x.size());
  Activations acts;
  const auto loss = [&] {
    block.forward(weights, x.data(), batch, acts, y.data());
    return dot(y, factors);
  };
  loss();
  std::vector<float> dx = factors;
  block.backward(weights, x.data(), batch, acts, dx.data(), gradients);
  const char* const names[] = {"query", "key", "value", "output", "gate", "up", "down"};
  for (int m = 0; m < matrices; m++) check(names[m], matrix[m], gradient[m], loss);
  check("input norm", inputNorm, dInputNorm, loss);
  check("post norm", postNorm, dPostNorm, loss);
  check("input", x, dx, loss);
}

void checkDivergence() {
  const int64_t width = 37;
  std::vector<float> student = normal(width, 2);
  const std::vector<float> teacher = normal(width, 2);
  std::vector<float> scratch(width);
  const auto loss = [&] {
    std::vector<float> copy = student;
    return tokenDivergence(copy.data(), teacher.data(), width, 0, scratch.data());
  };
  double sums[2] = {0, 0};
  for (int64_t i = 0; i < width; i++) {
    sums[0] += std::exp(static_cast<double>(teacher[i]));
    sums[1] += std::exp(static_cast<double>(student[i]));
  }
  double expected = 0;
  for (int64_t i = 0; i < width; i++)
    expected +=
        std::exp(teacher[i]) / sums[0] * (teacher[i] - std::log(sums[0]) - student[i] + std::log(sums[1]));
  expectClose("divergence, by its definition", loss(), expected, expected);
  std::vector<float> gradient = student;
  tokenDivergence(gradient.data(), teacher.data(), width, 1, scratch.data());
  check("divergence", student, gradient, loss);
}

}  // namespace

int main() {
  checkBlock();
  checkDivergence();
  std::printf("gradients: %d checks, %d failed\n", checks, failures);
  return failures != 0;
}
