"""The tutorial's way of a REST service: lists in memory, FastAPI with response models, plain uvicorn."""

from datetime import UTC, datetime

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from benchmarks.contenders.serving import serve

PLENTY = 10**9  # pieces of each product: no purchase of a measurement is refused


class Product(BaseModel):
    """An article."""

    id: int
    name: str
    price: float
    description: str


class InventoryItem(BaseModel):
    """Its stock."""

    productId: int
    quantity: int
    product: Product | None = None


class OrderItem(BaseModel):
    """A line of an order."""

    productId: int
    quantity: int


class PurchaseRequest(BaseModel):
    """What a buyer sends."""

    customerName: str
    items: list[OrderItem]


class Order(PurchaseRequest):
    """What became of it."""

    id: int
    totalAmount: float
    orderDate: str


PRODUCTS = [
    Product(id=1, name="智能手表Galaxy", price=1299, description="健康监测，运动追踪，支持多种应用"),
    Product(id=2, name="无线蓝牙耳机Pro", price=899, description="主动降噪，30小时续航，IPX7防水"),
    Product(id=3, name="便携式移动电源", price=299, description="20000mAh大容量，支持快充，轻薄设计"),
    Product(
        id=4, name="华为MateBook X Pro", price=1599, description="14.2英寸全面屏，3:2比例，100% sRGB色域"
    ),
]
inventory = [InventoryItem(productId=product.id, quantity=PLENTY) for product in PRODUCTS]
orders: list[Order] = []
app = FastAPI()


@app.get("/api/products", response_model=list[Product])
async def get_products() -> list[Product]:
    """Return all products."""
    return PRODUCTS


@app.get("/api/inventory", response_model=list[InventoryItem])
async def get_inventory() -> list[InventoryItem]:
    """Return all stock, each with its product, looked for in the list."""
    return [
        InventoryItem(
            productId=item.productId,
            quantity=item.quantity,
            product=next((product for product in PRODUCTS if product.id == item.productId), None),
        )
        for item in inventory
    ]


@app.get("/api/orders", response_model=list[Order])
async def get_orders() -> list[Order]:
    """Return all orders, newest first."""
    return sorted(orders, key=lambda order: order.orderDate, reverse=True)


@app.post("/api/purchase", response_model=Order)
async def create_purchase(request: PurchaseRequest) -> Order:
    """Take the stock and remember the order until the process ends."""
    total = 0.0
    for item in request.items:
        product = next((product for product in PRODUCTS if product.id == item.productId), None)
        stock = next((stock for stock in inventory if stock.productId == item.productId), None)
        if product is None or stock is None:
            raise HTTPException(404, f"商品ID {item.productId} 不存在")
        if stock.quantity < item.quantity:
            raise HTTPException(400, f"商品 {product.name} 库存不足. 可用: {stock.quantity}")
        stock.quantity -= item.quantity
        total += product.price * item.quantity
    order = Order(
        **request.model_dump(),
        id=len(orders) + 1,
        totalAmount=total,
        orderDate=datetime.now(UTC).isoformat(),
    )
    orders.append(order)
    return order


if __name__ == "__main__":
    serve(app, plain=True)
